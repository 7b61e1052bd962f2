"""Enlarge cut-outs: methods by name, all on premultiplied RGBA."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from face_occlusion.occluders.cutout import fill_colours, premultiply
from face_occlusion.occluders.realesrgan import FACTOR, RealEsrgan

METHODS = ("none", "nearest", "bicubic", "lanczos", "realesrgan")
_FILTERS = {
    "nearest": cv2.INTER_NEAREST,
    "bicubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
}


def enlarge_filtered(rgba: np.ndarray, interpolation: int) -> np.ndarray:
    """Enlarge a premultiplied cut-out four times with one of OpenCV's filters.

    Colour and alpha are filtered alike, as premultiplied values may be, and what rings beyond
    0 or 1 is cut off both in proportion, so that a flat colour stays flat up to its edge.

    Args:
        rgba: (H, W, 4) uint8 premultiplied RGBA.
        interpolation: An interpolation of OpenCV.

    Returns:
        (4 H, 4 W, 4) uint8 premultiplied RGBA.
    """
    height, width = rgba.shape[:2]
    padded = cv2.copyMakeBorder(rgba, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=(0, 0, 0, 0))
    size = (width + 2) * FACTOR, (height + 2) * FACTOR
    large = cv2.resize(padded.astype(np.float32), size, interpolation=interpolation)
    large = large[FACTOR:-FACTOR, FACTOR:-FACTOR]  # (4 H, 4 W, 4), may ring
    alpha = large[..., 3:]
    levels = np.rint(np.clip(alpha, 0, 255))
    share = np.divide(levels, alpha, out=np.zeros_like(alpha), where=alpha > 0.5)
    colours = np.clip(np.rint(large[..., :3] * share), 0, levels)
    return np.concatenate([colours, levels], axis=2).astype(np.uint8)


def enlarge_by_network(rgba: np.ndarray, network: RealEsrgan) -> np.ndarray:
    """Enlarge a premultiplied cut-out four times, its colours by a network.

    The network sees no cut: where alpha is low, the nearest solid colours go on. It would draw
    a rim around a cut-out on black. Alpha is enlarged as by `lanczos`, and multiplied in after.

    Args:
        rgba: (H, W, 4) uint8 premultiplied RGBA.
        network: Enlarges the colours.

    Returns:
        (4 H, 4 W, 4) uint8 premultiplied RGBA.
    """
    alpha = enlarge_filtered(rgba, cv2.INTER_LANCZOS4)[..., 3]
    return premultiply(network.enlarge(fill_colours(rgba)), alpha / np.float32(255))


@dataclass(frozen=True)
class Enlarger:
    """A method of enlarging, opened; picklable.

    Attributes:
        method: One of METHODS.
        network: Of `realesrgan`.
    """

    method: str
    network: RealEsrgan | None

    def __call__(self, rgba: np.ndarray) -> np.ndarray:
        """Enlarge (H, W, 4) uint8 premultiplied RGBA four times; `none` leaves it as it is."""
        if self.network is not None:
            return enlarge_by_network(rgba, self.network)
        return rgba if self.method == "none" else enlarge_filtered(rgba, _FILTERS[self.method])

    def about(self) -> dict[str, object]:
        """Return what a set's info says of the method."""
        about: dict[str, object] = {"superresolution": self.method}
        if self.network is not None:
            about["superresolution_weights"] = self.network.about()
        return about


def open_enlarger(method: str) -> Enlarger:
    """Open a method of enlarging.

    Raises:
        ValueError: If it is unknown, or its packages are missing.
    """
    if method not in METHODS:
        raise ValueError(f"superresolution: must be one of {', '.join(METHODS)}; got '{method}'")
    return Enlarger(method, RealEsrgan() if method == "realesrgan" else None)
