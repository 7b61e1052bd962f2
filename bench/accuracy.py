"""Whether training fast costs accuracy: `python -m bench.accuracy --data data`.

Trains each architecture of a profile twice per seed on one combination: as stock MMSegmentation
does (its network, transforms, softmax cross-entropy with its OHEM sampler, fp16 on a GPU) and as
the package does (compiled, recorded, bf16, its loss). Both start from random weights, see the same
images in the same order and have the same optimiser and schedule; stock weights are loaded into our
network, key for key, and both are scored in the same way: pooled mIoU at the input's size.

Ours passes if its mean over the seeds is no further below stock's than stock's seeds lie apart.

  python -m bench.accuracy --data data --iterations 50                  # any machine
  python -m bench.accuracy --data data --gpus 0 1 2 3 --jobs-per-gpu 3  # side by side
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from mmengine.logging import MMLogger
from mmseg.datasets.transforms import PhotoMetricDistortion, RandomFlip, RandomRotate
from torch.utils.data import DataLoader
from tqdm import tqdm

from bench.stock_training import stock_batch, stock_model, stock_optimizer
from face_occlusion.core.combination import OpenPart, open_parts, read_combination
from face_occlusion.core.imageset import ImageSet
from face_occlusion.core.params import load_params
from face_occlusion.networks.segmentor import FaceSegmentor, build_segmentor
from face_occlusion.training.acceleration import set_up
from face_occlusion.training.architectures import ARCHITECTURES, ModelParams
from face_occlusion.training.dataset import FaceDataset, build_loader, positions
from face_occlusion.training.loop import SelectionSet
from face_occlusion.training.recipe import build_optimizer, build_schedules, resolve
from face_occlusion.training.settings import TrainParams

SIDES = ("stock", "ours")
BENCHMARKS = ("wo_test", "realocc")


class StockDataset(FaceDataset):
    """The same samples in the same order, augmented by MMSegmentation's transforms."""

    def __getitem__(self, position: int) -> dict[str, Any]:
        """Return image (S, S, 3) uint8 RGB and seg_map (S, S) uint8, augmented."""
        image, seg_map = self._decoded(self.index_at(position))
        np.random.seed([position, self.params.seed])  # noqa: NPY002 - the transforms draw from it
        results: Any = {
            "img": image[..., ::-1].copy(),  # OpenCV's order
            "img_shape": image.shape[:2],
            "gt_seg_map": seg_map,
            "seg_fields": ["gt_seg_map"],
        }
        for transform in (
            RandomFlip(prob=self.params.augment.flip_prob),
            RandomRotate(self.params.augment.rotation_prob, self.params.augment.rotation_deg),
            PhotoMetricDistortion(),
        ):
            results = transform(results)
        return {"image": results["img"][..., ::-1].copy(), "seg_map": results["gt_seg_map"]}


@dataclass(frozen=True)
class Trial:
    """One training: which side, architecture and seed."""

    side: str
    model: str
    seed: int

    @property
    def name(self) -> str:
        """Name of its result's file."""
        return f"{self.model}-{self.side}-{self.seed}"


def main() -> None:
    """Train what is missing, side by side, and print the table."""
    args = parse_arguments()
    MMLogger.get_current_instance().setLevel("WARNING")
    if args.only:
        side, model, seed = args.only
        run_trial(Trial(side, model, int(seed)), args)
        return
    trials = [
        Trial(side, model, seed) for side in SIDES for model in args.models for seed in args.seeds
    ]
    args.out.mkdir(parents=True, exist_ok=True)
    run_side_by_side([trial for trial in trials if not result_path(args.out, trial).exists()], args)
    print(table([json.loads(result_path(args.out, trial).read_text()) for trial in trials]))


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="a profile's")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of image sets")
    parser.add_argument("--combination", default="c_wo_natocc", help="row of Table 4")
    parser.add_argument("--models", nargs="*", default=list(ARCHITECTURES), help="architectures")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--iterations", type=int, help="else the profile's")
    parser.add_argument("--batch-size", type=int, help="else the profile's")
    parser.add_argument("--input-px", type=int, help="else the profile's")
    parser.add_argument("--workers", type=int, default=2, help="processes that decode")
    parser.add_argument("--gpus", nargs="*", default=["0"], help="numbers of the GPUs to use")
    parser.add_argument("--jobs-per-gpu", type=int, default=1, help="trainings at once on each")
    parser.add_argument("--out", type=Path, default=Path(".scratch/accuracy"), help="results")
    parser.add_argument("--only", nargs=3, metavar=("SIDE", "MODEL", "SEED"), help="train just one")
    return parser.parse_args()


def result_path(out: Path, trial: Trial) -> Path:
    """Return where a trial's result lies."""
    return out / f"{trial.name}.json"


def run_side_by_side(trials: list[Trial], args: argparse.Namespace) -> None:
    """Train in processes of their own, so many per GPU.

    Raises:
        ValueError: If one fails; names its log.
    """
    slots = [gpu for gpu in args.gpus for _ in range(args.jobs_per_gpu)]
    running: dict[int, tuple[Trial, subprocess.Popen]] = {}
    waiting = list(trials)
    with tqdm(total=len(trials), unit="training") as bar:
        while waiting or running:
            for number, gpu in enumerate(slots):
                if number not in running and waiting:
                    trial = waiting.pop(0)
                    running[number] = (trial, start_process(trial, gpu, args))
            for number, (trial, process) in list(running.items()):
                if process.poll() is None:
                    continue
                del running[number]
                bar.update()
                if process.returncode:
                    for _, other in running.values():
                        other.terminate()
                    raise ValueError(f"{trial.name} failed: see {args.out / trial.name}.log")
            time.sleep(0.2)


def start_process(trial: Trial, gpu: str, args: argparse.Namespace) -> subprocess.Popen:
    """Start this program for one trial on one GPU."""
    command = [sys.executable, "-m", "bench.accuracy", *sys.argv[1:]]
    command += ["--only", trial.side, trial.model, str(trial.seed)]
    with (args.out / f"{trial.name}.log").open("w") as log:
        return subprocess.Popen(
            command, stdout=log, stderr=log, env=os.environ | {"CUDA_VISIBLE_DEVICES": gpu}
        )


def run_trial(trial: Trial, args: argparse.Namespace) -> None:
    """Train and score one network; writes its result."""
    train, model_params = read_settings(trial, args)
    combination = read_combination(args.data / "combinations" / f"{args.combination}.json")
    parts = open_parts(combination, args.data)
    start = time.perf_counter()
    trained = train_stock if trial.side == "stock" else train_ours
    model, losses = trained(trial, model_params, train, parts)
    seconds = time.perf_counter() - start
    result = {
        "side": trial.side,
        "model": trial.model,
        "seed": trial.seed,
        "iterations": train.iterations,
        "last_loss": float(np.mean(losses[-50:])),
        "images_per_s": train.iterations * train.batch_size / seconds,
    }
    for name in BENCHMARKS:
        benchmark = SelectionSet(ImageSet(args.data / "benchmarks" / name), train.input_px)
        result[name] = benchmark.miou(model, 16)
    path = result_path(args.out, trial)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(result, indent=2) + "\n")
    partial.replace(path)


def read_settings(trial: Trial, args: argparse.Namespace) -> tuple[TrainParams, ModelParams]:
    """Read the profile, with what the command line changes."""
    train = load_params(args.params, "train", TrainParams)
    changes = {
        "iterations": args.iterations,
        "batch_size": args.batch_size,
        "input_px": args.input_px,
    }
    given = {key: value for key, value in changes.items() if value is not None}
    side = given.get("input_px", train.input_px) / train.input_px
    kept = round(train.loss.ohem_min_kept * side**2)  # the same share of the pixels
    train = replace(
        train,
        **given,
        seed=trial.seed,
        num_workers=args.workers,
        precision="bf16",
        loss=replace(train.loss, ohem_min_kept=kept),
    )
    if trial.side == "stock":
        train = replace(train, loss=replace(train.loss, out_channels=2))
    return train, load_params(args.params, f"models.{trial.model}", ARCHITECTURES[trial.model])


def device() -> torch.device:
    """Return the GPU, if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def train_ours(
    trial: Trial, model_params: ModelParams, train: TrainParams, parts: list[OpenPart]
) -> tuple[FaceSegmentor, list[float]]:
    """Train as the package does; returns the network and the loss of each step."""
    config = resolve(model_params, train, distributed=False)
    torch.manual_seed(trial.seed)
    model = build_segmentor(config["model"])
    model.init_weights()
    model.to(device())
    wrapper = build_optimizer(model, config)
    set_up(model, precision=train.precision, accelerated=train.accelerate)
    batches = build_loader(FaceDataset(parts, train))
    losses = steps(model, wrapper, iter(batches), config, trial)
    model.autocast = False  # both are scored in float32
    return model, losses


def train_stock(
    trial: Trial, model_params: ModelParams, train: TrainParams, parts: list[OpenPart]
) -> tuple[FaceSegmentor, list[float]]:
    """Train as MMSegmentation does; returns our network with its weights, and its losses."""
    config = resolve(model_params, train, distributed=False)
    torch.manual_seed(trial.seed)
    torch.backends.cudnn.benchmark = True  # its default runtime's
    stock = stock_model(config)
    stock.init_weights()
    stock.to(device())
    batches = DataLoader(
        StockDataset(parts, train),
        batch_size=train.batch_size,
        sampler=positions(train.batch_size),
        num_workers=train.num_workers,
        collate_fn=lambda samples: stock_batch(*zip(*map(dict.values, samples), strict=True)),
    )
    losses = steps(stock, stock_optimizer(stock, config), iter(batches), config, trial)
    model = build_segmentor(config["model"])
    model.load_state_dict(stock.state_dict())
    model.to(device())
    return model, losses


def steps(
    model: Any, wrapper: Any, batches: Iterator[Any], config: dict[str, Any], trial: Trial
) -> list[float]:
    """Train to the end; returns the loss of each step."""
    schedules = build_schedules(wrapper, config)
    losses = []
    for step in tqdm(range(config["train_cfg"]["max_iters"]), desc=trial.name, mininterval=10):
        torch.manual_seed(trial.seed * 1_000_003 + step)
        model.train()
        losses.append(model.train_step(next(batches), wrapper)["loss"].detach())
        for schedule in schedules:
            schedule.step()
    return torch.stack(losses).tolist()


def table(results: list[dict[str, Any]]) -> str:
    """Compare the sides: mean and standard deviation over the seeds, per cent."""
    scores = pd.DataFrame(results).melt(["model", "side", "seed"], BENCHMARKS, "benchmark", "miou")
    rows = []
    for (model, benchmark), group in scores.groupby(["model", "benchmark"], sort=False):
        by_side = {side: 100 * group[group["side"] == side]["miou"].to_numpy() for side in SIDES}
        stock, ours = by_side["stock"], by_side["ours"]
        rows.append(
            {
                "model": model,
                "benchmark": benchmark,
                **{f"{side} mean": values.mean() for side, values in by_side.items()},
                **{
                    f"{side} sd": values.std(ddof=len(values) > 1)
                    for side, values in by_side.items()
                },
                "stock's range": np.ptp(stock),
                "passes": ours.mean() >= stock.mean() - np.ptp(stock),
            }
        )
    return pd.DataFrame(rows).to_string(index=False, float_format="{:.2f}".format)


if __name__ == "__main__":
    main()
