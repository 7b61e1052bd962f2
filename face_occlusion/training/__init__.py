"""Train one run of Table 4: a network, a combination of image sets, a recipe.

`settings` holds the parameters, `architectures` one MMSegmentation config per network, `recipe`
the optimiser and schedules; `dataset` and `augmentation` make batches; `loop` trains, and `run`
makes a run safe to interrupt and writes its folder.
"""
