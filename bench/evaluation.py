"""Time the evaluation of a run against its network alone: `python -m bench.evaluation`.

Both sides see the same images of a benchmark that is drawn for it. The network alone: inputs
resized and on the device beforehand, forward passes and log-odds resized to the images' size,
results left on the device; on a GPU it replays the same recordings. Evaluation: everything, from
the JPEG in the shard to the counts of every score. Ratio 1 means that decoding, measuring and
counting cost nothing compared with the network.
"""

import argparse
import functools
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from mmengine.logging import MMLogger
from tqdm import tqdm

from face_occlusion.core.images import encode_jpeg, encode_png
from face_occlusion.core.imageset import ImageSet, encode_record, write_image_set
from face_occlusion.core.params import load_params
from face_occlusion.evaluation.evaluate import EvaluateParams, evaluate_benchmark
from face_occlusion.evaluation.inference import Segmenter
from face_occlusion.networks.segmentor import build_segmentor
from face_occlusion.training.architectures import ARCHITECTURES
from face_occlusion.training.recipe import resolve
from face_occlusion.training.settings import TrainParams

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
# What is scored: checkpoints, and whether with the 12 views of the published configuration too.
VIEWS = {"one": (("last",), False), "paper": (("last", "best"), True)}


@dataclass(frozen=True, kw_only=True)
class Task:
    """What both sides do."""

    networks: dict[str, Segmenter]
    image_set: ImageSet
    params: EvaluateParams


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--models", nargs="*", default=list(ARCHITECTURES))
    parser.add_argument("--views", nargs="*", default=list(VIEWS), choices=list(VIEWS))
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--side", type=int, default=1024, help="of the images, pixels")
    parser.add_argument("--threads", type=int, default=max(1, (os.cpu_count() or 2) // 2))
    parser.add_argument("--rounds", type=int, default=3, help="alternations of both sides")
    args = parser.parse_args()

    MMLogger.get_current_instance().setLevel("WARNING")
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        image_set = draw_benchmark(Path(scratch) / "drawn", args.images, args.side)
        todo = [(name, views) for name in args.models for views in args.views]
        rows = [
            {"model": name, "views": views}
            | measure(task(name, views, args, image_set), args.rounds)
            for name, views in tqdm(todo, unit="row")
        ]
    device = torch.cuda.get_device_name() if DEVICE.type == "cuda" else "cpu"
    print(
        f"{device}, torch {torch.__version__}, {os.cpu_count()} CPUs, {args.threads} threads each"
    )
    print(f"{args.images} images of {args.side} px; ms per image")
    print(pd.DataFrame(rows).to_string(index=False, float_format="{:.3g}".format))


def task(name: str, views: str, args: argparse.Namespace, image_set: ImageSet) -> Task:
    """Build networks with random weights, one for each checkpoint."""
    train = load_params(args.params, "train", TrainParams)
    params = load_params(args.params, f"models.{name}", ARCHITECTURES[name])
    config = resolve(params, train, distributed=False)
    checkpoints, tta = VIEWS[views]
    networks = {}
    for checkpoint in checkpoints:
        model = build_segmentor(config["model"])
        model.init_weights()
        networks[checkpoint] = Segmenter(model, train.input_px, DEVICE)
    evaluation = EvaluateParams(
        benchmarks=["drawn"],
        checkpoints=list(checkpoints),
        tta=tta,
        device="cuda" if DEVICE.type == "cuda" else "cpu",
        batch_size=8,
        num_threads=args.threads,
        cpu_threads=args.threads,
        cpu_kernels="fast",
        preview_px=128,
    )
    return Task(networks=networks, image_set=image_set, params=evaluation)


def measure(one: Task, rounds: int) -> dict[str, float]:
    """Time both sides in turns; the first round of each warms up and is left out."""
    sides = {"network": network_alone(one), "evaluation": whole_evaluation(one)}
    times: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(1 + rounds):
        for side, step in sides.items():
            times[side].append(seconds(step) / len(one.image_set))
    network, whole = (statistics.median(times[side][1:]) for side in sides)
    ratios = [b / a for a, b in zip(*(times[side][1:] for side in sides), strict=True)]
    return {
        "network ms": 1e3 * network,
        "evaluation ms": 1e3 * whole,
        "ratio": whole / network,
        "least": min(ratios),
        "most": max(ratios),
    }


def whole_evaluation(one: Task) -> Callable[[], object]:
    """Return a step that scores the benchmark."""
    return lambda: evaluate_benchmark(one.networks, one.image_set, one.params)


def network_alone(one: Task) -> Callable[[], object]:
    """Return a step that only predicts, from inputs that are on the device."""
    size, keys = one.params.batch_size, one.image_set.keys
    batches = []
    for start in range(0, len(keys), size):
        images = [one.image_set.image(key) for key in keys[start : start + size]]
        shapes = [image.shape[:2] for image in images]
        first = next(iter(one.networks.values()))
        augmented = (False, True) if one.params.tta else (False,)
        batches.append((shapes, [first.preprocess(images, tta=tta) for tta in augmented]))

    def step() -> None:
        for shapes, views in batches:
            for prepared in views:
                for network in one.networks.values():
                    network.predict_async(prepared, shapes)

    return step


def draw_benchmark(folder: Path, num_images: int, side: int) -> ImageSet:
    """Write elliptic faces with a bar across, on noise whose JPEGs are as large as RealOcc's.

    32 pictures, repeated: each is drawn once and read as often as it is listed.
    """

    @functools.cache
    def parts(number: int) -> dict[str, bytes]:
        rng = np.random.default_rng(number)
        noise = rng.normal(128, 40, (side, side, 3)).astype(np.float32)
        smooth = cv2.GaussianBlur(noise, (0, 0), 2) * 3 - 256
        image = np.clip(smooth + rng.normal(0, 3, smooth.shape), 0, 255).astype(np.uint8)
        mask = np.zeros((side, side), np.uint8)
        cv2.ellipse(mask, (side // 2, side // 2), (side // 4, side // 3), 0, 0, 360, (1,), -1)
        mask[side // 2 : side * 6 // 10, side // 3 : side * 9 // 10] = 0
        return {
            "jpg": encode_jpeg(image, 92),
            "png": encode_png(mask),
            "json": encode_record({"occluder_kind": "bar"}),
        }

    samples = ((f"{number:05d}", parts(number % 32)) for number in range(num_images))
    info = {"kind": "benchmark", "name": "drawn", "sources": ["bench"]}
    return write_image_set(folder, samples, info=info)


def seconds(step: Callable[[], object]) -> float:
    """Time a step, the GPU's work included."""
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    step()
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
