"""Harmonisation of occluders with the image around them: RainNet, or colour statistics."""

from face_occlusion.generation.harmonisation.harmoniser import (
    HarmonisationParams,
    Harmoniser,
    load_harmoniser,
)

__all__ = ["HarmonisationParams", "Harmoniser", "load_harmoniser"]
