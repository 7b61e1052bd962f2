"""Enlarge cut-outs: methods by name, all on premultiplied RGBA."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

FACTOR = 4  # the paper enlarges COCO's objects four times


def enlarge_lanczos(rgba: np.ndarray) -> np.ndarray:
    """Enlarge a premultiplied cut-out four times with a Lanczos filter.

    Colour and alpha are filtered alike, as premultiplied values may be, and what rings beyond
    0 or 1 is cut off both in proportion, so that a flat colour stays flat up to its edge.

    Args:
        rgba: (H, W, 4) uint8 premultiplied RGBA.

    Returns:
        (4 H, 4 W, 4) uint8 premultiplied RGBA.
    """
    height, width = rgba.shape[:2]
    padded = cv2.copyMakeBorder(rgba, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=(0, 0, 0, 0))
    size = (width + 2) * FACTOR, (height + 2) * FACTOR
    large = cv2.resize(padded.astype(np.float32), size, interpolation=cv2.INTER_LANCZOS4)
    large = large[FACTOR:-FACTOR, FACTOR:-FACTOR]  # (4 H, 4 W, 4), may ring
    alpha = large[..., 3:]
    levels = np.rint(np.clip(alpha, 0, 255))
    share = np.divide(levels, alpha, out=np.zeros_like(alpha), where=alpha > 0.5)
    colours = np.clip(np.rint(large[..., :3] * share), 0, levels)
    return np.concatenate([colours, levels], axis=2).astype(np.uint8)


def keep(rgba: np.ndarray) -> np.ndarray:
    """Return a cut-out as it is."""
    return rgba


METHODS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "none": keep,
    "lanczos": enlarge_lanczos,
}
