"""Enlarge cut-outs: methods by name, all on premultiplied RGBA."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

FACTOR = 4  # the paper enlarges COCO's objects four times


def enlarge_lanczos(rgba: np.ndarray) -> np.ndarray:
    """Enlarge a premultiplied cut-out four times with a Lanczos filter.

    Colour and alpha are filtered alike, as premultiplied values may be; what rings beyond
    [0, alpha] is cut off.

    Args:
        rgba: (H, W, 4) uint8 premultiplied RGBA.

    Returns:
        (4 H, 4 W, 4) uint8 premultiplied RGBA.
    """
    height, width = rgba.shape[:2]
    padded = cv2.copyMakeBorder(rgba, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=(0, 0, 0, 0))
    size = (width + 2) * FACTOR, (height + 2) * FACTOR
    large = cv2.resize(padded, size, interpolation=cv2.INTER_LANCZOS4)[
        FACTOR:-FACTOR, FACTOR:-FACTOR
    ]
    return np.dstack([np.minimum(large[..., :3], large[..., 3:]), large[..., 3]])


def keep(rgba: np.ndarray) -> np.ndarray:
    """Return a cut-out as it is."""
    return rgba


METHODS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "none": keep,
    "lanczos": enlarge_lanczos,
}
