"""Put a premultiplied RGBA occluder over a face: warp, soften, blend, label.

Colours are blended as stored (sRGB values). Premultiplied colour stands for itself at any
coverage, so no resampling or blur can pull the black around a cut-out into its edge.
A `Layer` is a window of the canvas: only the pixels the occluder touches are computed.
"""

import functools
import math
from dataclasses import dataclass

import cv2
import numpy as np

from face_occlusion.core.arithmetic import determinant, exact_weight, transform
from face_occlusion.core.images import warp_cutout
from face_occlusion.generation.geometry import Occluder

HALF = 128  # coverage of 0.5 and above, in 0-255
_LANES = 64  # bytes of the longest vector of any CPU
_COVERAGE = np.arange(256)
_SOFTNESS = np.rint(4 * _COVERAGE * (255 - _COVERAGE) / 255).astype(np.uint8)  # 255 at the middle


@dataclass
class Layer:
    """A premultiplied occluder on a window of the canvas.

    Colour and coverage are kept apart: most steps need one of them, and OpenCV joins and splits
    channels more slowly than it computes on them.
    """

    colour: np.ndarray  # (h, w, 3) uint8 RGB, premultiplied by alpha
    alpha: np.ndarray  # (h, w) uint8 coverage, 255 = occluder only
    x: int  # column of the canvas at which the window begins; may be negative
    y: int  # row, likewise

    def inside(self, shape: tuple[int, ...]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """Return the part inside an (H, W) canvas, as slices of the canvas and of the window."""
        height, width = self.alpha.shape
        top, left = max(self.y, 0), max(self.x, 0)
        bottom = max(min(self.y + height, shape[0]), top)
        right = max(min(self.x + width, shape[1]), left)
        return (
            (slice(top, bottom), slice(left, right)),
            (slice(top - self.y, bottom - self.y), slice(left - self.x, right - self.x)),
        )

    def coverage_on(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return the coverage on an (H, W) canvas, (H, W) uint8, 0 outside the window."""
        canvas, part = self.inside(shape)
        coverage = np.zeros(shape[:2], np.uint8)
        coverage[canvas] = self.alpha[part]
        return coverage


def between(values: np.ndarray, low: int, high: int) -> np.ndarray:
    """Return uint8 255 where `values`, (H, W) uint8, lie in [low, high], 0 elsewhere."""
    return cv2.inRange(values, (low,), (high,))


def window(points: np.ndarray, shape: tuple[int, ...], padding: int) -> tuple[int, int, int, int]:
    """Bound (N, 2) points by a window (x, y, width, height) within `padding` of the canvas.

    At least one pixel wide and high, also where the points lie off the canvas.
    """
    low = np.floor(points.min(axis=0)).astype(int) - padding
    high = np.ceil(points.max(axis=0)).astype(int) + padding + 1
    limit = np.array([shape[1], shape[0]]) + padding
    low = np.clip(low, -padding, limit - 1)
    high = np.maximum(np.clip(high, -padding, limit), low + 1)
    return int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1])


def warp(occluder: Occluder, matrix: np.ndarray, shape: tuple[int, ...], padding: int) -> Layer:
    """Warp an occluder onto an (H, W) canvas by one affine: scale, shear and rotation together.

    The affine is from full-size pixels; `padding` pixels are computed beyond the occluder and the
    canvas' border, for later blurs.
    """
    cutout, local = occluder.shrunk(matrix)
    spill = math.ceil(math.sqrt(abs(determinant(local))))  # of one texel
    extent = transform(matrix, occluder.extent_xy)
    x, y, w, h = window(extent, shape, padding + spill)
    local[:, 2] -= (x, y)
    return Layer(*warp_cutout(cutout, local, (h, w)), x, y)


def add_alpha(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Join (H, W, 3) uint8 colour and (H, W) uint8 coverage to (H, W, 4)."""
    rgba = cv2.cvtColor(colour, cv2.COLOR_RGB2RGBA)
    cv2.insertChannel(alpha, rgba, 3)
    return rgba


def soften(layer: Layer, sigma_px: float) -> Layer:
    """Blur the edge of an occluder by a Gaussian; its inside stays sharp.

    Coverage and premultiplied colour are blurred alike, so the colour of the edge is the mean of
    the occluder's own colours near by. Where the occluder was opaque it keeps its own colour.
    """
    if sigma_px <= 0:
        return layer
    alpha, colour = blur(layer.alpha, sigma_px), blur(layer.colour, sigma_px)
    own = cv2.multiply(layer.colour, three_channels(alpha), scale=1 / 255)
    cv2.copyTo(own, between(layer.alpha, 255, 255), colour)
    return Layer(colour, alpha, layer.x, layer.y)


def three_channels(alpha: np.ndarray) -> np.ndarray:
    """Repeat (H, W) uint8 coverage for three channels, (H, W, 3)."""
    return cv2.cvtColor(alpha, cv2.COLOR_GRAY2RGB)


def blur(image: np.ndarray, sigma_px: float) -> np.ndarray:
    """Blur (H, W[, C]) uint8 with a Gaussian cut at three sigma, in whole numbers.

    Borders are repeated, nothing wraps. As `cv2.GaussianBlur` but for ties, and a quarter faster.
    """
    kernel = _kernel(sigma_px)
    # OpenCV rounds ties to even, but up in the last columns that fill no vector of the CPU's.
    width = image.shape[1]
    image = cv2.copyMakeBorder(image, 0, 0, 0, -width % _LANES, cv2.BORDER_REPLICATE)
    blurred = cv2.sepFilter2D(image, -1, kernel, kernel, borderType=cv2.BORDER_REPLICATE)
    return blurred[:, :width]


@functools.lru_cache(2)
def _kernel(sigma_px: float) -> np.ndarray:
    """Return the whole kernel of `gaussian_taps`, without zeros at its ends."""
    taps = gaussian_taps(sigma_px, math.ceil(3 * sigma_px)) / 256
    taps = taps[: np.flatnonzero(taps)[-1] + 1]
    return np.concatenate([taps[:0:-1], taps])


def gaussian_taps(sigma_px: float, radius: int) -> np.ndarray:
    """Return the (radius + 1,) weights in 1/256, from the middle, that OpenCV blurs uint8 with.

    As OpenCV does it, each weight is rounded together with what the rounding before left.
    """
    taps = np.zeros(radius + 1)
    if sigma_px <= 0:
        taps[0] = 256
        return taps
    reach = math.ceil(3 * sigma_px)
    exact = cv2.getGaussianKernel(2 * reach + 1, sigma_px)[:, 0] * 256
    left = 0.0
    for k, wanted in enumerate(exact[:reach].tolist()):  # from the outermost
        rounded = round(wanted + left)
        left += wanted - rounded
        taps[reach - k] = rounded
    taps[0] = 256 - 2 * taps[1:].sum()
    return taps


def fade(layer: Layer, opacity: float) -> Layer:
    """Make an occluder transparent: colour and coverage times `opacity`, rounded."""
    if opacity >= 1:
        return layer
    opacity = exact_weight(opacity)
    colour = cv2.convertScaleAbs(layer.colour, alpha=opacity)
    return Layer(colour, cv2.convertScaleAbs(layer.alpha, alpha=opacity), layer.x, layer.y)


def blend(image: np.ndarray, layer: Layer) -> None:
    """Put an occluder over an image, in place: P + (1 - alpha) * image, rounded.

    Pixels without coverage keep their values exactly.
    """
    canvas, part = layer.inside(image.shape)
    target = image[canvas]
    if not target.size:
        return
    rest = three_channels(cv2.bitwise_not(layer.alpha[part]))
    cv2.add(layer.colour[part], cv2.multiply(target, rest, scale=1 / 255), dst=target)


def occlude_label(seg_map: np.ndarray, layer: Layer, class_id: int = 0) -> None:
    """Write `class_id` where the occluder covers by half or more, in place; 0 is background.

    The layer is the occluder before its opacity.
    """
    canvas, part = layer.inside(seg_map.shape)
    target = seg_map[canvas]
    if not target.size:
        return
    seen = between(layer.alpha[part], 0, HALF - 1)
    cv2.bitwise_and(target, seen, dst=target)
    if class_id:
        target[seen == 0] = class_id


def covered_px(face_mask: np.ndarray, layer: Layer) -> int:
    """Count the pixels of a face, (H, W) uint8 0 or 255, that a layer covers by half or more."""
    canvas, part = layer.inside(face_mask.shape)
    if not face_mask[canvas].size:
        return 0
    covered = cv2.bitwise_and(between(layer.alpha[part], HALF, 255), face_mask[canvas])
    return cv2.countNonZero(covered)


def soften_contact(image: np.ndarray, face_mask: np.ndarray, layer: Layer, sigma_px: float) -> None:
    """Blur the composite where the occluder's edge meets the face, in place.

    The blur fades in with the edge's softness, 4 alpha (1 - alpha): whole on the edge, none where
    the occluder covers wholly or not at all, so that no pixel changes that it does not touch. The
    face is that before the occlusion, the layer the occluder before its opacity.
    """
    canvas, part = layer.inside(image.shape)
    if sigma_px <= 0 or not image[canvas].size:
        return
    alpha = layer.alpha[part]
    edge = cv2.bitwise_and(between(alpha, 1, 254), face_mask[canvas])
    x, y, width, height = cv2.boundingRect(edge)
    if not width:
        return
    padding = math.ceil(3 * sigma_px)
    top, left = max(y - padding, 0), max(x - padding, 0)
    around = image[canvas][top : y + height + padding, left : x + width + padding]
    inner = np.s_[y - top : y - top + height, x - left : x - left + width]
    sharp, smooth = around[inner], blur(around, sigma_px)[inner]
    here = np.s_[y : y + height, x : x + width]
    share = three_channels(cv2.bitwise_and(cv2.LUT(alpha[here], _SOFTNESS), edge[here]))
    kept = cv2.multiply(sharp, cv2.bitwise_not(share), scale=1 / 255)
    cv2.add(kept, cv2.multiply(smooth, share, scale=1 / 255), dst=sharp)
