"""Synthetic occlusions: NatOcc (hands and objects) and RandOcc (random shapes).

`occlude(face, mask, occluder, rng) -> image, mask, record` occludes one face, `regenerate` repeats
it from the record, `generate.generate_set` makes a whole image set.
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
