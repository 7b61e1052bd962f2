"""RandOcc: random shapes with photographed textures over faces (Q27, Q28)."""

from __future__ import annotations

from typing import Any

import numpy as np

from face_occlusion.generation.compositing import Layer
from face_occlusion.generation.params import GenerateParams
from face_occlusion.generation.placement import FaceGeometry, place_around
from face_occlusion.generation.shapes import (
    Texture,
    draw_shape,
    draw_texture,
    estimate_polygon_covered,
    place_outline,
    textured_layer,
)


def draw_randocc(
    texture: Texture, face: FaceGeometry, rng: np.random.Generator, params: GenerateParams
) -> tuple[dict[str, Any], float]:
    """Draw a shape, its place and the part of the texture it shows.

    Returns:
        The record, with `shape`, `matrix` (unit shape to image) and `texture_matrix` (texture
        pixels to image), and the share of the face it covers by estimate.
    """
    shape = draw_shape(rng)
    matrix, record = place_around(1.0, np.zeros(2), face, rng, params)
    outline = place_outline(shape["points"], matrix)
    record |= {
        "shape": shape,
        "matrix": matrix.tolist(),
        "texture_matrix": draw_texture(rng, texture, outline, matrix[:, :2]).tolist(),
    }
    return record, estimate_polygon_covered(outline, face.small, face.cell_px)


def randocc_layer(
    texture: Texture,
    placement: dict[str, Any],
    shape: tuple[int, ...],
    margin: int,
    edge_sigma_px: float,
) -> Layer:
    """Draw a textured shape where its record says, with its soft edge, on an (H, W) canvas."""
    outline = place_outline(placement["shape"]["points"], np.array(placement["matrix"]))
    matrix = np.array(placement["texture_matrix"])
    return textured_layer(texture, matrix, outline, shape, margin, edge_sigma_px)
