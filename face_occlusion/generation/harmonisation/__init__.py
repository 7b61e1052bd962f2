"""Harmonisation of occluders with the image around them: RainNet, or colour statistics.

Names are imported when they are asked for, see `face_occlusion.generation`.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from face_occlusion.generation.harmonisation.harmoniser import (
        HarmonisationParams,
        Harmoniser,
        check_method,
        harmonise,
    )

__all__ = ["HarmonisationParams", "Harmoniser", "check_method", "harmonise"]


def __getattr__(name: str) -> object:
    """Import a public name from its module."""
    if name in __all__:
        return getattr(importlib.import_module(f"{__name__}.harmoniser"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
