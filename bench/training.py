"""Speed of training, ours against stock MMSegmentation in one run: `python -m bench.training`.

Each row trains one architecture of a profile on a resident batch, both sides alternately:
MMSegmentation's own segmentor, loss, sampler and preprocessing (fp16 AMP on a GPU, as it is
usually run), and the package's (bf16, channels-last, fused optimiser, augmentation included).
`loader` is our rate with samples read from an image set over the rate on the resident batch;
`ceiling` the share of the measured rate of one large matrix product that our step reaches.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from mmengine.logging import MMLogger
from mmengine.model import BaseModel
from mmengine.optim import build_optim_wrapper
from mmengine.structures import PixelData
from mmseg.models import EncoderDecoder, SegDataPreProcessor
from mmseg.structures import SegDataSample
from torch.utils.flop_counter import FlopCounterMode

from face_occlusion.images import encode_jpeg, encode_png
from face_occlusion.imageset import ImageSet, encode_record, write_image_set
from face_occlusion.params import load_params
from face_occlusion.training.augmentation import MEAN, STD
from face_occlusion.training.configs import ARCHITECTURES, params_class, resolve
from face_occlusion.training.dataset import Part, build_loader
from face_occlusion.training.loop import fit_device
from face_occlusion.training.segmentor import build_segmentor
from face_occlusion.training.settings import TrainParams

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
WARM_UP = 3


@dataclass
class Side:
    """One way to train: a network, its optimiser, and where its batches come from."""

    model: BaseModel
    optimizer: Any
    batch: Any

    def step(self) -> None:
        """Train on the resident batch."""
        self.model.train_step(self.batch, self.optimizer)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--models", nargs="*", default=list(ARCHITECTURES))
    parser.add_argument("--steps", type=int, default=10, help="steps in each timing")
    parser.add_argument("--rounds", type=int, default=3, help="alternations of both sides")
    args = parser.parse_args()

    train = load_params(args.params, "train", TrainParams)
    MMLogger.get_current_instance().setLevel("WARNING")
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        part = noise_part(Path(scratch) / "noise", train)
        ceiling = matmul_flops()
        rows = [
            row(name, args.params, train, part, ceiling, (args.steps, args.rounds))
            for name in args.models
        ]
    device = torch.cuda.get_device_name() if DEVICE.type == "cuda" else "cpu"
    print(f"{device}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    print(f"batch {train.batch_size} of {train.input_px} px; {ceiling / 1e12:.3g} TFLOP/s ceiling")
    print(pd.DataFrame(rows).to_string(index=False, float_format="{:.3g}".format))


def row(
    name: str,
    path: Path,
    train: TrainParams,
    part: Part,
    ceiling: float,
    counts: tuple[int, int],
) -> dict[str, Any]:
    """Time one architecture; returns a row of the table."""
    params = load_params(path, f"models.{name}", params_class(name))
    config = resolve(name, params, train, distributed=False)
    config["optim_wrapper"] = fit_device(config["optim_wrapper"])
    steps, rounds = counts
    batches = iter(build_loader([part], train, pin_memory=DEVICE.type == "cuda"))
    sides = {"stock": stock_side(config, train), "ours": our_side(config, next(batches))}
    times: dict[str, list[float]] = {side: [] for side in sides}
    memory = {}
    for _ in range(rounds):
        for label, side in sides.items():
            reset_memory()
            times[label].append(seconds(side.step, steps))
            memory[label] = peak_gib()
    stock, ours = (statistics.median(times[label]) for label in ("stock", "ours"))
    with_data = seconds(loading_step(sides["ours"], batches), steps)
    size = train.batch_size
    return {
        "model": name,
        "stock ms": 1e3 * stock,
        "ours ms": 1e3 * ours,
        "stock images/s": size / stock,
        "ours images/s": size / ours,
        "ratio": stock / ours,
        "loader": ours / with_data,
        "ceiling": step_flops(sides["ours"]) / ours / ceiling,
        "stock GiB": memory["stock"],
        "ours GiB": memory["ours"],
    }


def our_side(config: dict[str, Any], batch: dict[str, Any]) -> Side:
    """Build the package's way."""
    model = build_segmentor(config["model"])
    model.init_weights()
    model.to(DEVICE, memory_format=torch.channels_last)
    model.train()
    wrapper = build_optim_wrapper(model, copy.deepcopy(config["optim_wrapper"]))
    return Side(model, wrapper, batch)


def stock_side(config: dict[str, Any], train: TrainParams) -> Side:
    """Build MMSegmentation's way: the same network, its own loss, sampler and preprocessing.

    Two channels, since its sampler does not work with one.
    """
    parts = copy.deepcopy(config["model"])
    loss = parts.pop("loss")
    del parts["type"]
    for head, weight in (("decode_head", 1.0), ("auxiliary_head", loss["aux_weight"])):
        if parts[head] is None:
            continue
        parts[head] |= {"out_channels": 2, "threshold": None}
        parts[head]["loss_decode"] = {"type": "CrossEntropyLoss", "loss_weight": weight}
    parts["decode_head"]["sampler"] = {
        "type": "OHEMPixelSampler",
        "thresh": loss["thresh"],
        "min_kept": loss["min_kept_per_image"],
    }
    model = EncoderDecoder(test_cfg={"mode": "whole"}, **parts)
    normalisation: dict[str, Any] = {"mean": MEAN, "std": STD, "bgr_to_rgb": True}
    model.data_preprocessor = SegDataPreProcessor(
        size=(train.input_px, train.input_px), **normalisation
    )
    model.init_weights()
    model.to(DEVICE)
    model.train()
    wrapper = copy.deepcopy(config["optim_wrapper"])
    del wrapper["optimizer"]["fused"]
    if DEVICE.type == "cuda":
        wrapper |= {"type": "AmpOptimWrapper", "dtype": "float16", "loss_scale": "dynamic"}
    return Side(model, build_optim_wrapper(model, wrapper), stock_batch(train))


def stock_batch(train: TrainParams) -> dict[str, Any]:
    """Return noise in MMSegmentation's form."""
    rng = np.random.default_rng(0)
    shape = (train.input_px, train.input_px)
    samples, inputs = [], []
    for _ in range(train.batch_size):
        inputs.append(torch.from_numpy(rng.integers(0, 256, (3, *shape), dtype=np.uint8)))
        sample = SegDataSample(metainfo={"img_shape": shape})
        labels = torch.from_numpy(noise_map(rng, *shape)[None]).long()
        sample.gt_sem_seg = PixelData(data=labels)
        samples.append(sample)
    return {"inputs": inputs, "data_samples": samples}


def noise_map(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Return a (height, width) uint8 map of classes 0 and 1 in blocks."""
    blocks = rng.integers(0, 2, (height // 16, width // 16), dtype=np.uint8)
    return np.kron(blocks, np.ones((16, 16), np.uint8))


def noise_part(folder: Path, train: TrainParams) -> Part:
    """Write an image set of 64 samples of twice the input size."""
    rng = np.random.default_rng(0)
    side = 2 * train.input_px

    def samples() -> Iterator[tuple[str, dict[str, bytes]]]:
        for number in range(64):
            coarse = rng.integers(0, 256, (side // 16, side // 16, 3), dtype=np.uint8)
            image = np.kron(coarse, np.ones((16, 16, 1), np.uint8))
            yield (
                f"{number:05d}",
                {
                    "jpg": encode_jpeg(image, 95),
                    "json": encode_record({}),
                    "png": encode_png(noise_map(rng, side, side)),
                },
            )

    write_image_set(folder, samples(), info={"kind": "faces", "name": "noise", "sources": []})
    return Part("noise", ImageSet(folder), "png")


def loading_step(side: Side, batches: Iterable[Any]) -> Callable[[], None]:
    """Return a step that takes a new batch each time."""
    iterator = iter(batches)

    def step() -> None:
        replace(side, batch=next(iterator)).step()

    return step


def seconds(step: Callable[[], object], steps: int) -> float:
    """Return the time of one step, after some to warm up."""
    for _ in range(WARM_UP):
        step()
    synchronise()
    start = time.perf_counter()
    for _ in range(steps):
        step()
    synchronise()
    return (time.perf_counter() - start) / steps


def step_flops(side: Side) -> float:
    """Count the floating-point operations of one step's products and convolutions."""
    with FlopCounterMode(display=False) as counter:
        side.step()
    return float(counter.get_total_flops())


def matmul_flops() -> float:
    """Measure the rate of a large matrix product, operations per second; bf16 on a GPU."""
    size, dtype = (8192, torch.bfloat16) if DEVICE.type == "cuda" else (1024, torch.float32)
    left, right = (torch.randn(size, size, device=DEVICE, dtype=dtype) for _ in range(2))
    return 2 * size**3 / seconds(lambda: torch.mm(left, right), 10)


def synchronise() -> None:
    """Wait for the GPU, if there is one."""
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()


def reset_memory() -> None:
    """Forget the peak of GPU memory."""
    if DEVICE.type == "cuda":
        torch.cuda.reset_peak_memory_stats()


def peak_gib() -> float:
    """Return the peak of allocated GPU memory in GiB, NaN on the CPU."""
    return torch.cuda.max_memory_allocated() / 2**30 if DEVICE.type == "cuda" else float("nan")


if __name__ == "__main__":
    main()
