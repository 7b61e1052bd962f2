"""Synthetic occlusions: NatOcc (hands and objects) and RandOcc (random shapes).

`occlude(face, mask, occluder, rng) -> image, mask, record` occludes one face, `regenerate` repeats
it from the record, `generate.generate_set` makes a whole image set.

Conventions of the package, where a docstring says nothing else: images are (H, W, 3) uint8 RGB,
coverages `alpha` (H, W) uint8 with 255 = occluder only, maps `seg_map` (H, W) uint8 class ids,
masks of a face (H, W) uint8 with 255 = face, occluders premultiplied RGBA; points are (x, y) in
pixels, affines (2, 3) float64 from input to output pixels; a `shape` is (H, W); a sigma of 0
changes nothing; `rng` is the only source of what is random; arguments are left unchanged.
"""

from face_occlusion.generation.geometry import Occluder, make_occluder
from face_occlusion.generation.occlusion import ClassIds, occlude, regenerate, sample_rng
from face_occlusion.generation.params import GenerateParams
from face_occlusion.generation.shapes import Texture

__all__ = [
    "ClassIds",
    "GenerateParams",
    "Occluder",
    "Texture",
    "make_occluder",
    "occlude",
    "regenerate",
    "sample_rng",
]
