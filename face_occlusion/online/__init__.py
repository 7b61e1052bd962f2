"""Occlusion while training: drawn by the processes that read faces, painted on the GPU.

`drawing` samples with the code of the sets and packs what was sampled; `painting` paints whole
batches from it; `training` joins both to a run. Without a GPU the readers paint, to the byte as in
a set.
"""
