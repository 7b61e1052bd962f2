"""Synthetic occlusions: NatOcc (hands and objects) and RandOcc (random shapes).

`occlude(face, mask, occluder, rng) -> image, mask, record` occludes one face,
`regenerate` repeats it from the record, `generate_set` makes a whole image set.
"""

from face_occlusion.generation.generate import generate_set
from face_occlusion.generation.occluder import Occluder, make_occluder
from face_occlusion.generation.occlusion import (
    ClassIds,
    occlude,
    regenerate,
    sample_rng,
    stable_id,
)
from face_occlusion.generation.params import FaceParams, GenerateParams, ToneParams
from face_occlusion.generation.shapes import Texture

__all__ = [
    "ClassIds",
    "FaceParams",
    "GenerateParams",
    "Occluder",
    "Texture",
    "ToneParams",
    "generate_set",
    "make_occluder",
    "occlude",
    "regenerate",
    "sample_rng",
    "stable_id",
]
