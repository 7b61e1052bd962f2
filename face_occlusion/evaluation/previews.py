"""Masks of predictions kept in the score file: reduced, 1 bit per pixel."""

from __future__ import annotations

import base64

import cv2
import numpy as np


def encode_preview(pred: np.ndarray, longer_side_px: int) -> str:
    """Reduce a mask and encode it as a 1-bit PNG.

    Args:
        pred: (H, W) bool, True = face.
        longer_side_px: Longer side of the reduced mask; a smaller mask keeps its size.

    Returns:
        The PNG in base64, white = face.
    """
    scale = min(1.0, longer_side_px / max(pred.shape))
    size = (max(1, round(pred.shape[1] * scale)), max(1, round(pred.shape[0] * scale)))
    share = cv2.resize(pred.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    reduced = np.where(share >= 0.5, 255, 0).astype(np.uint8)
    done, data = cv2.imencode(
        ".png", reduced, [cv2.IMWRITE_PNG_BILEVEL, 1, cv2.IMWRITE_PNG_COMPRESSION, 9]
    )
    if not done:
        raise ValueError(f"a mask of {reduced.shape} could not be encoded as PNG")
    return base64.b64encode(data.tobytes()).decode("ascii")


def decode_preview(text: str) -> np.ndarray:
    """Decode `encode_preview`'s text to an (h, w) bool mask.

    Raises:
        ValueError: If the text is not such a PNG.
    """
    data = np.frombuffer(base64.b64decode(text), np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise ValueError("preview is not a PNG in base64")
    return image > 127
