"""Synthetic occlusions: NatOcc (hands and objects) and RandOcc (random shapes).

`occlude(face, mask, occluder, rng) -> image, mask, record` occludes one face,
`regenerate` repeats it from the record, `generate_set` makes a whole image set.

Names are imported when they are asked for: training a harmonisation network needs none of them,
nor the packages that they need.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

_MODULES = {
    "generate": ("generate_set",),
    "occluder": ("Occluder", "make_occluder"),
    "occlusion": ("ClassIds", "occlude", "regenerate", "sample_rng", "stable_id"),
    "params": ("FaceParams", "GenerateParams", "ToneParams"),
    "shapes": ("Texture",),
}


def __getattr__(name: str) -> object:
    """Import a public name from its module."""
    for module, names in _MODULES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
