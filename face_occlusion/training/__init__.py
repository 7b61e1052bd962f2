"""Train one run of Table 4: a network, a combination of image sets, a recipe.

`configs/` holds one MMSegmentation config per architecture; `settings` the parameters; `dataset`,
`augmentation` and `loss` what the paper specifies (Q31-Q36); `loop` drives mmengine's Runner.
"""
