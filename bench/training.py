"""Speed of training against stock MMSegmentation, both in one run: `python -m bench.training`.

Each row trains one architecture of a profile on a batch that lies in memory, in turns:
MMSegmentation's own network, loss, sampler, optimiser and preprocessing (fp16 on a GPU, cuDNN's
benchmark on, as its default runtime has it), and ours, augmentation included.

rows
  ms             a step on the clock; plain is ours without compiling and recording
  busy ms        what the GPU computed of it: the sum of its kernels' times
  ratio          stock / ours
  loader         our rate reading JPEGs of twice the input size / our rate on the resident batch
  ceiling        share of the measured rate of one large matrix product, by the step's products
  memory         share of the measured rate of one large copy, by what those read and write
  GiB            peak memory of training
  start s        first steps: compiling and recording; again, with compiled programs kept on disk
  pays after     iterations after which compiling has paid, against plain

  python -m bench.training                                 # params.yaml: any machine
  python -m bench.training --params profiles/paper.yaml    # the paper's networks, one GPU
  python -m bench.training --params profiles/paper.yaml --models segformer --kernels 20
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from mmengine.logging import MMLogger
from mmengine.model import BaseModel
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count, flop_registry

from bench.stock_training import stock_batch, stock_model, stock_optimizer
from face_occlusion.core.combination import OpenPart
from face_occlusion.core.images import encode_jpeg, encode_png
from face_occlusion.core.imageset import ImageSet, encode_record, write_image_set
from face_occlusion.core.params import load_params
from face_occlusion.networks.segmentor import build_segmentor
from face_occlusion.training.acceleration import WARM_UP, set_up
from face_occlusion.training.architectures import ARCHITECTURES
from face_occlusion.training.dataset import FaceDataset, build_loader
from face_occlusion.training.recipe import build_optimizer, resolve
from face_occlusion.training.settings import TrainParams

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
NUM_IMAGES = 64  # in the shard that the loader reads
FUSED_OPTIMISERS = (torch.ops.aten._fused_adamw_, torch.ops.aten._fused_sgd_)


@dataclass
class Side:
    """One way to train: a network, its optimiser, and where its batches come from."""

    model: BaseModel
    optimizer: Any
    batch: Any

    def step(self) -> None:
        """Train on the resident batch."""
        self.model.train_step(self.batch, self.optimizer)


@dataclass
class Setting:
    """What all rows share."""

    path: Path
    train: TrainParams
    part: OpenPart
    ceiling: float  # operations per second
    bandwidth: float  # bytes per second
    steps: int
    rounds: int
    kernels: int


def main() -> None:
    """Print the table."""
    args = parse_arguments()
    train = load_params(args.params, "train", TrainParams)
    if args.workers is not None:
        train = replace(train, num_workers=args.workers)
    MMLogger.get_current_instance().setLevel("WARNING")
    torch.backends.cudnn.benchmark = True
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        part = photograph_part(Path(scratch) / "photographs", train)
        ceilings = matmul_flops(), copy_bandwidth()
        setting = Setting(
            args.params, train, part, *ceilings, args.steps, args.rounds, args.kernels
        )
        device = torch.cuda.get_device_name() if DEVICE.type == "cuda" else "cpu"
        print(f"{device}, torch {torch.__version__}, {torch.get_num_threads()} threads")
        print(
            f"batch {train.batch_size} of {train.input_px} px, {train.num_workers} workers; ",
            end="",
        )
        print(f"ceilings {setting.ceiling / 1e12:.3g} TFLOP/s, {setting.bandwidth / 1e12:.3g} TB/s")
        rows = [row(name, setting) for name in args.models]
    print(pd.DataFrame(rows).set_index("model").T.to_string(float_format="{:.3g}".format))


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="a profile")
    parser.add_argument("--models", nargs="*", default=list(ARCHITECTURES), help="architectures")
    parser.add_argument("--steps", type=int, default=10, help="steps in each timing")
    parser.add_argument("--rounds", type=int, default=3, help="turns of both sides")
    parser.add_argument("--workers", type=int, help="processes that decode; else the profile's")
    parser.add_argument("--kernels", type=int, default=0, help="print our longest kernels")
    return parser.parse_args()


def row(name: str, setting: Setting) -> dict[str, Any]:
    """Time one architecture; returns a row of the table."""
    train = setting.train
    params = load_params(setting.path, f"models.{name}", ARCHITECTURES[name])
    config = resolve(params, train, distributed=False)
    batches = iter(build_loader(FaceDataset([setting.part], train)))
    batch = next(batches)
    kinds: dict[str, Callable[[], Side]] = {
        "stock": lambda: stock_side(config, batch),
        "plain": lambda: our_side(config, batch, train, accelerated=False),
        "ours": lambda: our_side(config, batch, train, accelerated=True),
    }
    sides, start, memory = {}, {}, {}
    for label, build in kinds.items():
        sides[label], start[label], memory[label] = started(build)
    times: dict[str, list[float]] = {label: [] for label in kinds}
    for _ in range(setting.rounds):
        for label, side in sides.items():
            times[label].append(seconds(side.step, setting.steps))
    median = {label: statistics.median(values) for label, values in times.items()}
    stock, plain, ours = median.values()
    resident = seconds(sides["ours"].step, 5 * setting.steps)
    with_data = seconds(loading_step(sides["ours"], batches), 5 * setting.steps)
    busy = {label: busy_ms(side) for label, side in sides.items()}
    if setting.kernels and DEVICE.type == "cuda":
        print(f"{name}\n{longest_kernels(sides['ours'], setting.kernels)}")
    gain = plain - ours
    return {
        "model": name,
        **{f"{label} ms": 1e3 * median[label] for label in kinds},
        **{f"{label} busy ms": busy[label] for label in kinds},
        **{f"{label} images/s": train.batch_size / median[label] for label in kinds},
        "ratio": stock / ours,
        "loader": resident / with_data,
        "ceiling": step_flops(sides["plain"].step) / ours / setting.ceiling,
        "memory": step_bytes(sides["plain"].step) / ours / setting.bandwidth,
        **{f"{label} GiB": memory[label] for label in kinds},
        **{f"{label} start s": start[label] for label in kinds},
        "ours start again s": started(kinds["ours"])[1],
        "pays after": (start["ours"] - start["plain"]) / gain if gain > 0 else float("inf"),
    }


def started(build: Callable[[], Side]) -> tuple[Side, float, float]:
    """Build a side and take its first steps: compiling, choosing kernels, recording.

    Returns:
        The side, the steps' seconds, and the peak of GPU memory since before it was built, in
        GiB; NaN on the CPU.
    """
    before = torch.cuda.memory_allocated()
    if DEVICE.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    side = build()
    start = time.perf_counter()
    for _ in range(WARM_UP + 1):
        side.step()
    synchronise()
    taken = time.perf_counter() - start
    if DEVICE.type == "cpu":
        return side, taken, float("nan")
    return side, taken, (torch.cuda.max_memory_allocated() - before) / 2**30


def our_side(
    config: dict[str, Any], batch: dict[str, Any], train: TrainParams, *, accelerated: bool
) -> Side:
    """Build the package's way."""
    torch._dynamo.reset()  # programs in memory, not those on disk
    model = build_segmentor(config["model"])
    model.init_weights()
    model.to(DEVICE)
    model.train()
    wrapper = build_optimizer(model, config)
    set_up(model, precision=train.precision, accelerated=accelerated)
    resident = {name: value.to(DEVICE) for name, value in batch.items()}
    return Side(model, wrapper, resident)


def stock_side(config: dict[str, Any], batch: dict[str, Any]) -> Side:
    """Build MMSegmentation's way."""
    model = stock_model(config)
    model.init_weights()
    model.to(DEVICE)
    model.train()
    resident = stock_batch(batch["inputs"].numpy(), batch["seg_maps"].numpy())
    return Side(model, stock_optimizer(model, config), resident)


def photograph_part(folder: Path, train: TrainParams) -> OpenPart:
    """Write an image set of twice the input size that decodes as slowly as photographs do.

    Smooth colours with a little noise: 0.25 bytes a pixel at quality 95, as CelebA-HQ's.
    """
    rng = np.random.default_rng(0)
    side = 2 * train.input_px

    def samples() -> Iterator[tuple[str, dict[str, bytes]]]:
        for number in range(NUM_IMAGES):
            coarse = rng.integers(20, 236, (side // 32, side // 32, 3))
            image = np.kron(coarse, np.ones((32, 32, 1))) + rng.normal(0, 3, (side, side, 1))
            blocks = rng.integers(0, 2, (side // 32, side // 32), dtype=np.uint8)
            yield (
                f"{number:05d}",
                {
                    "jpg": encode_jpeg(image.clip(0, 255).astype(np.uint8), 95),
                    "json": encode_record({}),
                    "png": encode_png(np.kron(blocks, np.ones((32, 32), np.uint8))),
                },
            )

    write_image_set(folder, samples(), info={"kind": "faces", "name": "noise", "sources": []})
    images = ImageSet(folder)
    return OpenPart("noise", images, "png", images.keys)


def loading_step(side: Side, batches: Iterable[Any]) -> Callable[[], None]:
    """Return a step that takes a new batch each time."""
    iterator = iter(batches)

    def step() -> None:
        replace(side, batch=next(iterator)).step()

    return step


def seconds(step: Callable[[], object], steps: int) -> float:
    """Return the time of one step, after some to warm up."""
    for _ in range(3):
        step()
    synchronise()
    start = time.perf_counter()
    for _ in range(steps):
        step()
    synchronise()
    return (time.perf_counter() - start) / steps


def kernels(side: Side, steps: int = 3) -> pd.DataFrame:
    """Return the GPU's kernels in a step: name, ms, count; sorted by time."""
    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        for _ in range(steps):
            side.step()
        synchronise()
    rows = [
        (event.key, event.self_device_time_total / steps / 1e3, event.count / steps)
        for event in profiler.key_averages()
    ]
    return pd.DataFrame(rows, columns=["kernel", "ms", "count"]).sort_values("ms", ascending=False)


def busy_ms(side: Side) -> float:
    """Return the sum of a step's kernels' times; NaN on the CPU."""
    return float("nan") if DEVICE.type == "cpu" else float(kernels(side)["ms"].sum())


def longest_kernels(side: Side, num: int) -> str:
    """Return a table of the kernels that take longest."""
    table = kernels(side).head(num)
    table["kernel"] = table["kernel"].str.slice(0, 100)
    return table.to_string(index=False, float_format="{:.2f}".format)


def step_flops(step: Callable[[], object]) -> float:
    """Count the floating-point operations of one step's products and convolutions.

    torch's counter forgets the groups in a convolution's weight gradient, which overstates a
    depthwise convolution of 64 channels 22 times; ours counts each gradient as the forward pass.
    """
    counted = {torch.ops.aten.convolution_backward: convolution_backward_flops}
    with FlopCounterMode(display=False, custom_mapping=counted) as counter:
        step()
    return float(counter.get_total_flops())


def convolution_backward_flops(
    grad_output: Sequence[int],
    inputs: Sequence[int],
    weight: Sequence[int],
    *options: Any,
    out_shape: object = None,
) -> int:
    """Count a convolution's gradients, of the input and of the weight as `output_mask` asks."""
    transposed, output_mask = options[4], options[-1]
    forward = conv_flop_count(list(inputs), list(weight), list(grad_output), transposed)
    return forward * sum(output_mask[:2])


class ByteCounter(TorchDispatchMode):
    """Adds up what products, convolutions, attention and fused optimisers read and write."""

    total = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Run an operation and count it."""
        result = func(*args, **(kwargs or {}))
        if func.overloadpacket in FUSED_OPTIMISERS:  # all but the gradients is also written
            self.total += 2 * num_bytes((args, kwargs)) - num_bytes(args[1])
        elif func.overloadpacket in flop_registry:
            self.total += num_bytes((args, kwargs, result))
        return result


def step_bytes(step: Callable[[], object]) -> int:
    """Count the bytes that one step must move, if all else is fused into what `ByteCounter` counts.

    Each operand is counted as read once and each result as written once, as if no cache held it.
    """
    with ByteCounter() as counter:
        step()
    return counter.total


def num_bytes(values: object) -> int:
    """Return the bytes of all tensors in nested lists; of expanded ones, what is stored."""
    tensors = [value for value in tree_leaves(values) if isinstance(value, torch.Tensor)]
    return sum(min(tensor.nbytes, tensor.untyped_storage().nbytes()) for tensor in tensors)


def copy_bandwidth() -> float:
    """Measure the rate of a large copy: bytes read and written per second."""
    source = torch.randint(0, 256, (2**27 if DEVICE.type == "cuda" else 2**23,), device=DEVICE)
    target = torch.empty_like(source)
    return 2 * source.nbytes / seconds(lambda: target.copy_(source), 10)


def matmul_flops() -> float:
    """Measure the rate of a large matrix product, operations per second; bf16 on a GPU."""
    size, dtype = (8192, torch.bfloat16) if DEVICE.type == "cuda" else (1024, torch.float32)
    left, right = (torch.randn(size, size, device=DEVICE, dtype=dtype) for _ in range(2))
    return 2 * size**3 / seconds(lambda: torch.mm(left, right), 10)


def synchronise() -> None:
    """Wait for the GPU, if there is one."""
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
