"""Train one run and write its folder, safe to interrupt at any moment."""

import dataclasses
import hashlib
import json
import logging
import platform
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from face_occlusion.core.combination import open_parts
from face_occlusion.core.files import atomic_folder, atomic_write, code_sha256
from face_occlusion.core.imageset import ImageSet
from face_occlusion.core.parallel import one_opencv_thread
from face_occlusion.core.stage import sole_process
from face_occlusion.networks.checkpoint import read_weights, write_weights
from face_occlusion.networks.devices import explain_cuda_oom
from face_occlusion.training.dataset import FaceDataset, Occlude
from face_occlusion.training.distributed import GPUS_PER_RUN, SINGLE_PROCESS, Processes
from face_occlusion.training.loop import Job, Trainer
from face_occlusion.training.recipe import resolve
from face_occlusion.training.weights import describe

LAST, BEST = "last.safetensors", "best.safetensors"
PACKAGES = ("torch", "numpy", "onedl-mmengine", "onedl-mmsegmentation")  # on the card
OpenOnline = Callable[[Job, Path, Path], Occlude]


def train_run(
    job: Job,
    data: Path,
    out: Path,
    scratch: Path,
    processes: Processes = SINGLE_PROCESS,
    open_online: OpenOnline | None = None,
) -> None:
    """Train a run and write its folder; an interrupted run is resumed from its checkpoint.

    Args:
        job: What to train.
        data: Folder of the image sets; `benchmarks/realocc` below it selects the best network.
        out: New folder: `last.safetensors`, `best.safetensors`, `config.json`, `card.json`,
            `dvclive/`. It holds nothing of the clock or the host: the same run has the same bytes.
        scratch: Folder for locks, for checkpoints to resume from, and for what depends on the
            machine: `RUN/log/machine.json` and TensorBoard's files in `RUN/log/tensorboard/`.
        processes: Those that train this run together, all of which call this function.
        open_online: Opens what a combination with `online` occludes its faces with, from the job,
            `data`, and a folder for files of this process.

    Raises:
        ValueError: If an image set does not fit, another process trains this run, the batch
            cannot be split among the processes, a GPU has too little memory, or the loss
            diverges.
    """
    processes.share(job.train.batch_size)
    parts = open_parts(job.combination, data)
    counts = {part.entry: len(part.keys) for part in parts}
    counts["total"] = sum(counts.values())
    logging.info("%s: trains on %s", job.run, counts)
    config = resolve(job.model_params, job.train, distributed=processes.is_distributed)
    benchmark = ImageSet(data / "benchmarks" / "realocc")
    mark = fingerprint(job, benchmark)
    torch.set_num_threads(job.train.num_threads)  # decides in which order sums are taken
    lock = sole_process(scratch / f"{job.run}.lock", f"{job.run}: being trained")
    with lock if processes.is_main else nullcontext():
        folder = scratch / job.run / mark[:16]
        folder.mkdir(parents=True, exist_ok=True)
        processes.wait()  # for the lock
        remedy = f"split the batch over two GPUs, which reruns no stage: {GPUS_PER_RUN}=2"
        with explain_cuda_oom(remedy), one_opencv_thread():
            occlude = None
            if job.combination.online is not None:
                if open_online is None:
                    raise ValueError(f"{job.run}: open_online must be given to occlude its faces")
                occlude = open_online(job, data, folder / f"occluders-{processes.rank}")
            samples = FaceDataset(parts, job.train, occlude)
            trainer = Trainer(job, config, samples, benchmark, folder, processes)
            trainer.train()
        processes.wait()
        if not processes.is_main:
            return
        card = _run_card(job, trainer, benchmark, processes.count)
        card |= {"counts": counts, "fingerprint": mark}
        _write_run(out, trainer, folder, config, card)
        _keep_log(folder, trainer)


def fingerprint(job: Job, benchmark: ImageSet) -> str:
    """Return a sha256 over what decides the weights: parameters, data, code, package versions.

    A checkpoint is resumed only by a run of the same fingerprint. The machine is not part of it:
    a run may be resumed on another one, or by another number of processes.
    """
    content = {
        "job": dataclasses.asdict(job),  # the combination names its sets by their hashes
        "benchmark": benchmark.sha256,
        "code": code_sha256("face_occlusion.training.run"),
        "versions": {package: version(package) for package in (*PACKAGES, "onedl-mmcv")},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _run_card(
    job: Job, trainer: Trainer, benchmark: ImageSet, num_processes: int
) -> dict[str, Any]:
    """Describe what was trained, for `card.json`."""
    best, cuda = trainer.best, torch.cuda.is_available()
    device = torch.cuda.get_device_name() if cuda else "cpu"
    return {
        "run": job.run,
        "model": job.model,
        "combination": job.combination.description,
        "iterations": job.train.iterations,
        "samples_seen": job.train.iterations * job.train.batch_size,
        "seed": job.train.seed,
        "initial_weights": describe(trainer.weights),
        "weights": trainer.weights,
        "num_parameters": sum(value.numel() for value in trainer.model.parameters()),
        "selected": {key: best[key] for key in ("iteration", "miou")} if best else None,
        "not_selected": None if best else f"RealOcc is empty: {benchmark.absent}",
        "device": f"{num_processes} x {device}" if num_processes > 1 else device,
        "num_threads": job.train.num_threads,
        "precision": job.train.precision if cuda else "fp32",
        "versions": {package: version(package) for package in PACKAGES},
    }


def _write_run(
    out: Path, trainer: Trainer, scratch: Path, config: dict[str, Any], card: dict[str, Any]
) -> None:
    """Write the run's folder, in place of a former one."""
    model = trainer.model
    shutil.rmtree(out, ignore_errors=True)
    with atomic_folder(out) as partial:
        card["sha256"] = {LAST: write_weights(partial / LAST, model.state_dict())}
        if best := trainer.best:
            best_weights = read_weights(scratch / best["file"], best["sha256"], model)
            card["sha256"][BEST] = write_weights(partial / BEST, best_weights)
        for name, content in (("config.json", config), ("card.json", card)):
            atomic_write(partial / name, json.dumps(content, indent=2) + "\n")
        shutil.copytree(scratch / "dvclive", partial / "dvclive")


def _keep_log(folder: Path, trainer: Trainer) -> None:
    """Keep what a finished run logged of its machine, in place of its checkpoints."""
    log = folder.with_name("log")
    shutil.rmtree(log, ignore_errors=True)
    log.mkdir()
    machine = {
        "seconds": round(trainer.total_seconds(), 1),
        "resumed_at": trainer.resumed_at,
        "host": platform.node(),
        "platform": platform.platform(),
        "python": platform.python_version(),
    }
    atomic_write(log / "machine.json", json.dumps(machine, indent=2) + "\n")
    (folder / "tensorboard").rename(log / "tensorboard")
    shutil.rmtree(folder)
