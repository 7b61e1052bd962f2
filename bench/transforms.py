"""Cost of the transforms beside `occlude` itself and the occlusions that other libraries bring.

python -m bench.transforms [--size 512] [--rounds 8]

Draws faces and occluders. All rows are measured in turn in one process, round by round; the table
shows each row's fastest round. Albumentations and MMSegmentation are left out where they are not
installed.
"""

import argparse
import importlib.util
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from face_occlusion.core.images import straight_alpha
from face_occlusion.generation import occlude
from face_occlusion.transforms import NatOcc, Occlusion, RandOcc
from tests.generation.drawn import draw_disc, draw_face, draw_hand, draw_texture

IMAGES = 24  # in a round


def main() -> None:
    """Print milliseconds per image of each way to occlude."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=512, help="side of the images in pixels")
    parser.add_argument("--rounds", type=int, default=8)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    face, mask = draw_face(shape=(args.size, args.size))
    with tempfile.TemporaryDirectory() as folder:
        ways = all_ways(Path(folder))
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(args.rounds):
            for name, way in ways.items():
                rng = np.random.default_rng(0)
                start = time.perf_counter()
                for _ in range(IMAGES):
                    way(face, mask, rng)
                times[name].append((time.perf_counter() - start) / IMAGES * 1e3)
    for name, taken in times.items():
        print(f"| {name} | {min(taken):.2f} ms |")


def all_ways(folder: Path) -> dict[str, Callable[..., object]]:
    """Return what is measured, by name; each takes a face, its mask and a generator."""
    ways: dict[str, Callable[..., object]] = {}
    pictures = {
        "hands": straight_alpha(draw_hand()),
        "objects": straight_alpha(draw_disc()),
        "textures": draw_texture(),
    }
    for kind, pixels in pictures.items():
        (folder / kind).mkdir()
        codes = cv2.COLOR_RGBA2BGRA if pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR
        cv2.imwrite(str(folder / kind / "one.png"), cv2.cvtColor(pixels, codes))
        transform = (
            RandOcc(folder / kind, p=1)
            if kind == "textures"
            else NatOcc(folder / kind, hands=kind == "hands", p=1)
        )
        ways[f"`occlude`, {kind}"] = occlude_with(transform)
        ways[f"`{type(transform).__name__}`, {kind}"] = transform
    if importlib.util.find_spec("mmseg"):
        from mmseg.datasets.transforms import RandomCutOut

        cutout = RandomCutOut(prob=1.0, n_holes=1, cutout_ratio=(0.3, 0.3), seg_fill_in=0)
        ways["MMSegmentation's `RandomCutOut`"] = lambda face, mask, _rng: cutout(
            {"img": face.copy(), "gt_seg_map": mask.copy(), "seg_fields": ["gt_seg_map"]}
        )
    if importlib.util.find_spec("albumentations"):
        import albumentations as A  # pyright: ignore[reportMissingImports]

        from face_occlusion.transforms.albumentations import NatOcc as AlbumentationsNatOcc

        dropout = A.CoarseDropout((1, 1), (0.3, 0.3), (0.3, 0.3), fill_mask=0, p=1)
        natocc = AlbumentationsNatOcc(str(folder / "hands"), hands=True, p=1)
        for name, other in (("NatOcc`, hands", natocc), ("CoarseDropout`", dropout)):
            compose = A.Compose([other], seed=1)
            ways[f"Albumentations' `{name}"] = lambda face, mask, _rng, compose=compose: compose(
                image=face, mask=mask
            )
    return ways


def occlude_with(transform: Occlusion) -> Callable[..., object]:
    """Return the plain call of the generator, with a transform's occluders and samples."""

    def call(face: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> object:
        rng.uniform()  # the transform decides with it whether to occlude
        return occlude(face, mask, transform.occluders, rng, transform.params)

    return call


if __name__ == "__main__":
    main()
