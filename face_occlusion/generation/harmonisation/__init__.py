"""Harmonisation of occluders with the image around them: RainNet, or colour statistics."""

from face_occlusion.generation.harmonisation.harmoniser import (
    HarmonisationParams,
    Harmoniser,
    check_method,
    harmonise,
)

__all__ = ["HarmonisationParams", "Harmoniser", "check_method", "harmonise"]
