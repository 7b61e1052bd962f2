"""Cost of the transforms beside `occlude` itself and the occlusions that other libraries bring.

python -m bench.transforms [--data data] [--size 512] [--rounds 8] [--params profiles/paper.yaml]

Reads the faces and occluders that the pipeline made. All rows are measured in turn in one process,
round by round; the table shows each row's fastest round. Albumentations and MMSegmentation are left
out where they are not installed. With a profile's parameters two tables follow: painting in
batches alone, on a GPU, and training with it, beside a resident batch (GPU) or sets (CPU).
"""

import argparse
import importlib.util
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from face_occlusion.core.imageset import ImageSet
from face_occlusion.core.stage import choose_cpu_kernels
from face_occlusion.generation import occlude
from face_occlusion.transforms import NatOcc, Occlusion, RandOcc

IMAGES = 24  # in a round


def main() -> None:
    """Print milliseconds per image of each way to occlude."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data"), help="the pipeline's data")
    parser.add_argument("--size", type=int, default=512, help="side of the images in pixels")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--params", type=Path, help="a profile whose training is measured as well")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    if args.params:  # before anything below loads PyTorch
        choose_cpu_kernels(args.params, "train")
    faces, size = ImageSet(args.data / "faces/wo"), (args.size, args.size)
    pairs = [
        (
            cv2.resize(faces.image(key), size, interpolation=cv2.INTER_AREA),
            cv2.resize(faces.seg_map(key), size, interpolation=cv2.INTER_NEAREST),
        )
        for key in faces.keys[:IMAGES]
    ]
    ways = all_ways(args.data / "occluders")
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(args.rounds):
        for name, way in ways.items():
            rng = np.random.default_rng(0)
            start = time.perf_counter()
            for face, mask in pairs:
                way(face, mask, rng)
            times[name].append((time.perf_counter() - start) / len(pairs) * 1e3)
    for name, taken in times.items():
        print(f"| {name} | {min(taken):.2f} ms |", flush=True)
    if args.params:
        from bench.online import print_tables

        print_tables(args.data, args.params, args.size, args.rounds)


def all_ways(occluders: Path) -> dict[str, Callable[..., object]]:
    """Return what is measured, by name; each takes a face, its mask and a generator."""
    ways: dict[str, Callable[..., object]] = {}
    makers = {"hands": NatOcc, "objects": NatOcc, "textures": RandOcc}
    for kind, maker in makers.items():
        transform = maker(occluders / kind, p=1)
        ways[f"`occlude`, {kind}"] = occlude_with(transform)
        ways[f"`{maker.__name__}`, {kind}"] = transform
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
        natocc = AlbumentationsNatOcc(str(occluders / "hands"), p=1)
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
