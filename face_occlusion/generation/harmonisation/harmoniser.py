"""Harmonise the occluder of a composite with the image around it.

The change of colour is computed small (256 or 512 a side) and applied at full size, weighted by
the soft alpha. Pixels with alpha 0 keep their bits, sizes are kept, the same input gives the same
output. RainNet sees the composite; the colour statistics are one affine map of the occluder's
colours, which also fits premultiplied ones, so that it is applied before they are blended.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np

from face_occlusion.core.arithmetic import product
from face_occlusion.core.params import Checked, Share
from face_occlusion.generation.colour_transfer.transfer import smooth_displacement
from face_occlusion.generation.compositing import HALF, Layer, between, three_channels
from face_occlusion.generation.harmonisation import statistics

if TYPE_CHECKING:
    from face_occlusion.generation.harmonisation.rainnet import RainNet

STATISTICS = {"mkl": statistics.mkl, "reinhard": statistics.reinhard}
RAINNET_PREFIX = "rainnet:"
SMOOTHING_PX = 1.0  # of the change, on the small grid
REACH_PX = 3.0  # sigma that extends it past the hard mask's edge: soft edges end within 9 px


@dataclass(frozen=True, kw_only=True)
class HarmonisationParams(Checked):
    """How objects are harmonised."""

    method: str  # rainnet:CHECKPOINT, mkl, reinhard or none
    size_px: Literal[256, 512]  # side at which the change of colour is computed
    strength: Share  # 0 = the composite as it is, 1 = the whole change

    def __post_init__(self) -> None:
        super().__post_init__()
        known = self.method in STATISTICS or self.method == "none"
        if not known and not self.method.startswith(RAINNET_PREFIX):
            raise ValueError(
                f"method must be rainnet:CHECKPOINT, {', '.join(STATISTICS)} or none; "
                f"got {self.method!r}"
            )
        if self.method == RAINNET_PREFIX:
            raise ValueError(f"method must name a checkpoint after 'rainnet:'; got {self.method!r}")


class Harmoniser:
    """A harmonisation method, its checkpoint loaded once.

    Colour statistics change the occluder before it is blended (`fit_layer`), RainNet the composite
    (`fit_composite`); of either method the other function changes nothing. A checkpoint that is
    missing, or is not a RainNet generator, is a ValueError.
    """

    def __init__(self, params: HarmonisationParams) -> None:
        self.params = params
        self.network: RainNet | None = None
        if params.method.startswith(RAINNET_PREFIX):
            from face_occlusion.generation.harmonisation.rainnet import load_rainnet

            self.network = load_rainnet(Path(params.method.removeprefix(RAINNET_PREFIX)))

    def fit_layer(self, image: np.ndarray, layer: Layer) -> Layer:
        """Harmonise an occluder by statistics, in its own window, before it is blended.

        The change is affine, c' = c + A c + b, and so becomes P' = P + A P + b * alpha for
        premultiplied colours: exact at soft edges, too. The coverage stays. Returns `layer` itself
        if it covers nothing by half, or everything around it, or the method is not colour
        statistics.
        """
        if self.params.method not in STATISTICS or self.params.strength == 0:
            return layer
        scene, coverage = _sampled(image, layer, self.params.size_px)
        move = STATISTICS[self.params.method]
        affine = statistics.affine_change(move, scene, coverage >= HALF, coverage == 0)
        if affine is None:
            return layer
        moved = _moved(layer, self.params.strength * affine + np.eye(3, 4))
        return Layer(cv2.min(moved, three_channels(layer.alpha)), layer.alpha, layer.x, layer.y)

    def fit_composite(self, composite: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        """Harmonise a composite, occluder over face, by RainNet.

        The network sees the occluder's coverage hard, cut at one half; the change is weighted by
        it. Returns an image equal to the composite where alpha is 0; `composite` itself if the
        method is not RainNet.

        Raises:
            ValueError: If sizes or types are others.
        """
        if composite.dtype != np.uint8 or composite.shape != (*alpha.shape, 3):
            raise ValueError(
                "composite must be (H, W, 3) uint8 with an alpha of its size; "
                f"got {composite.shape} {composite.dtype} and {alpha.shape}"
            )
        if self.network is None or self.params.strength == 0 or not alpha.any():
            return composite
        return _apply(composite, alpha, self.colour_change(composite, alpha))

    def colour_change(self, composite: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        """Compute RainNet's change of the occluder's colours at the small size.

        Returns (size_px, size_px, 3) float32 in levels of 255, 0 far from the occluder, and
        everywhere if foreground or background is empty at the small size.
        """
        side = self.params.size_px
        small = cv2.resize(composite, (side, side), interpolation=cv2.INTER_AREA)
        coverage = cv2.resize(alpha.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)
        inside = coverage >= 127.5
        if self.network is None or not inside.any() or inside.all():
            return np.zeros((side, side, 3), np.float32)
        change = _network_change(self.network, small, inside) * np.float32(self.params.strength)
        return _extended(change, inside)


@lru_cache(maxsize=4)
def load_harmoniser(**settings: Any) -> Harmoniser:
    """Build a harmoniser from its settings once per process: a network takes seconds to load."""
    return Harmoniser(HarmonisationParams(**settings))


def _moved(layer: Layer, affine: np.ndarray) -> np.ndarray:
    """Apply c' = A c + b, (3, 4) float64 [A | b], to premultiplied colours: A P + b * alpha.

    As if all were opaque, which OpenCV does fast for three channels; then the edge alone.
    """
    moved = cv2.transform(layer.colour, affine)
    edge = np.flatnonzero(between(layer.alpha, 1, 254))
    share = layer.alpha.reshape(-1)[edge, np.newaxis] / 255
    exact = product(layer.colour.reshape(-1, 3)[edge], affine[:, :3].T) + share * affine[:, 3]
    moved.reshape(-1, 3)[edge] = np.rint(np.clip(exact, 0, 255))
    return moved


def _sampled(image: np.ndarray, layer: Layer, size_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Take every k-th pixel of a face and of the occluder over it, at most `size_px` a side.

    Colours are the occluder's straight ones where it covers by half or more.
    """
    step = math.ceil(max(image.shape[:2]) / size_px)
    scene = image[::step, ::step].copy()
    coverage = np.zeros(scene.shape[:2], np.uint8)
    (rows, columns), (top, left) = layer.inside(image.shape)
    first_row, first_column = -rows.start % step, -columns.start % step
    window = np.s_[
        (rows.start + first_row) // step : -(-rows.stop // step),
        (columns.start + first_column) // step : -(-columns.stop // step),
    ]
    part = np.s_[
        top.start + first_row : top.stop : step, left.start + first_column : left.stop : step
    ]
    coverage[window] = alpha = layer.alpha[part]
    inside = alpha >= HALF
    straight = layer.colour[part][inside] * np.float32(255) / alpha[inside, np.newaxis]
    scene[window][inside] = np.rint(straight)
    return scene, coverage


def _extended(change: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Smooth a change (h, w, 3) within its mask and extend it to half covered pixels beyond."""
    padding = int(np.ceil(3 * REACH_PX))
    window = tuple(
        slice(max(0, used[0] - padding), used[-1] + 1 + padding)
        for used in (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    )
    weight = inside[window].astype(np.float32)
    extended = np.zeros_like(change)
    extended[window] = np.where(
        inside[window][..., np.newaxis],
        smooth_displacement(change[window], weight, SMOOTHING_PX),
        smooth_displacement(change[window], weight, REACH_PX),
    )
    return extended


def _network_change(network: RainNet, small: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return (side, side, 3) float32: RainNet's output minus its input, in levels, 0 outside."""
    import torch

    with _one_thread(), torch.inference_mode():
        image = torch.from_numpy(small).permute(2, 0, 1)[np.newaxis] / 127.5 - 1
        mask = torch.from_numpy(inside)[np.newaxis, np.newaxis].float()
        change = (network(image, mask) - image) * mask * 127.5
    return change[0].permute(1, 2, 0).numpy()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute in one thread, so that the order of sums does not depend on the number of workers."""
    import torch

    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(num_threads)


def _apply(composite: np.ndarray, alpha: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Add alpha x change, enlarged to the composite's size, where alpha is not 0."""
    harmonised = composite.copy()
    left, top, width, height = cv2.boundingRect(alpha)
    window = np.s_[top : top + height, left : left + width]
    scale_y, scale_x = change.shape[0] / alpha.shape[0], change.shape[1] / alpha.shape[1]
    shift_x, shift_y = (left + 0.5) * scale_x - 0.5, (top + 0.5) * scale_y - 0.5
    full = cv2.warpAffine(
        change,
        np.array([[scale_x, 0, shift_x], [0, scale_y, shift_y]]),
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    share = alpha[window].astype(np.float32) / np.float32(255)
    weighted = cv2.multiply(full, cv2.merge([share] * 3))
    harmonised[window] = cv2.add(composite[window], weighted, dtype=cv2.CV_8U)
    return harmonised
