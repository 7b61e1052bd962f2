"""Colours of cut-outs, whose files hold them multiplied by alpha."""

from __future__ import annotations

import numpy as np


def straight_alpha(cutout: np.ndarray) -> np.ndarray:
    """Divide a cut-out's colours by its alpha, rounded; black where alpha is 0.

    Args:
        cutout: (H, W, 4) uint8 RGBA, premultiplied.

    Returns:
        (H, W, 4) uint8 RGBA, straight.
    """
    straight = cutout.astype(np.uint16)
    alpha = straight[..., 3:]  # (H, W, 1)
    straight[..., :3] = (straight[..., :3] * 255 + alpha // 2) // np.maximum(alpha, 1)
    return np.minimum(straight, 255).astype(np.uint8)
