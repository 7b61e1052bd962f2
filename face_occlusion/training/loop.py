"""Train one run with mmengine's Runner, safe to interrupt at any moment."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import logging
import platform
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from mmengine.hooks import Hook
from mmengine.runner import Runner

from face_occlusion.core.devices import explain_cuda_oom
from face_occlusion.core.files import file_sha256
from face_occlusion.core.imageset import ImageSet
from face_occlusion.networks.checkpoint import write_checkpoint
from face_occlusion.networks.segmentor import build_segmentor
from face_occlusion.training.acceleration import set_up
from face_occlusion.training.configs import ModelParams, resolve
from face_occlusion.training.dataset import Part, build_loader, count_parts, open_parts
from face_occlusion.training.distributed import ALONE, Processes, unwrap
from face_occlusion.training.hooks import LogHook, SelectionHook, StateHook, StepSeedHook
from face_occlusion.training.runner import QuietRunner
from face_occlusion.training.selection import SelectionSet
from face_occlusion.training.settings import CombinationParams, TrainParams
from face_occlusion.training.weights import describe, fetch_weights, load_backbone

RUNNER_KEYS = ("train_cfg", "optim_wrapper", "param_scheduler")
PACKAGES = ("torch", "numpy", "onedl-mmengine", "onedl-mmsegmentation")


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a run trains.

    Attributes:
        run: Its name.
        model: Its architecture.
        model_params: The architecture's parameters.
        combination: Its image sets.
        train: What all runs share.
    """

    run: str
    model: str
    model_params: ModelParams
    combination: CombinationParams
    train: TrainParams


def train_run(job: Job, data: Path, out: Path, scratch: Path, processes: Processes = ALONE) -> None:
    """Train a run and write its folder; interrupted, it is taken up where it was.

    Args:
        job: What to train.
        data: Folder of the image sets; `benchmarks/realocc` below it selects the best network.
        out: New folder: `last.pth`, `best.pth`, `config.json`, `card.json`, `dvclive/`,
            `tensorboard/`.
        scratch: Folder for locks and for checkpoints to resume from.
        processes: Those that train this run together, all of which call this function.

    Raises:
        ValueError: If an image set does not fit, another process trains this run, the batch
            cannot be split among the processes, a GPU has too little memory, or the loss
            diverges.
    """
    processes.share(job.train.batch_size)
    parts = open_parts(data, job.combination)
    counts = count_parts(parts)
    logging.info("%s: trains on %s", job.run, counts)
    config = resolve(job.model, job.model_params, job.train, distributed=processes.several)
    benchmark = ImageSet(data / "benchmarks" / "realocc")
    mark = fingerprint(job, [*parts, Part("benchmarks/realocc", benchmark, "png")])
    limit_threads(job.train.num_threads)
    with run_lock(scratch, job.run) if processes.leads else nullcontext():
        folder = scratch / job.run / mark[:16]
        folder.mkdir(parents=True, exist_ok=True)
        processes.wait()  # for the lock
        with explain_cuda_oom(
            "split the batch, which makes nothing stale: FACE_OCCLUSION_GPUS_PER_RUN=2"
        ):
            session = _Session(job, config, parts, benchmark, folder, processes)
            session.train()
        processes.wait()
        if not processes.leads:
            return
        card = session.card() | {"counts": counts, "fingerprint": mark}
        _write_run(out, session, config, card)
        shutil.rmtree(folder)


def limit_threads(most: int) -> None:
    """Compute with at most this many threads; 0 leaves PyTorch's choice (and OMP_NUM_THREADS).

    More threads than free cores wait for each other busily: on two busy cores, two threads took
    five times as long as one.
    """
    if most:
        torch.set_num_threads(min(most, torch.get_num_threads()))


def fingerprint(job: Job, parts: Sequence[Part]) -> str:
    """Return a sha256 over everything that decides the weights: parameters and data."""
    content = {
        "job": dataclasses.asdict(job),
        "data": [
            [part.entry, part.mask, file_sha256(part.images.folder / "index.json")]
            for part in parts
        ],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@contextmanager
def run_lock(scratch: Path, run: str) -> Iterator[None]:
    """Hold the lock of a run; the system frees it even after `kill -9`.

    Raises:
        ValueError: If another process holds it.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    lock = FileLock(scratch / f"{run}.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise ValueError(
            f"{run}: another process is training this run (lock {lock.lock_file}); wait for it, "
            "or stop it: this one would then take up its last checkpoint"
        ) from None
    try:
        yield
    finally:
        lock.release()


class _Session:
    """One process's share of a run."""

    def __init__(
        self,
        job: Job,
        config: dict[str, Any],
        parts: Sequence[Part],
        benchmark: ImageSet,
        folder: Path,
        processes: Processes,
    ) -> None:
        self._job, self._benchmark, self.folder = job, benchmark, folder
        self._processes, leads = processes, processes.leads
        self.log = LogHook(folder, job.run, job.train, leads)
        self.selection = None
        if len(benchmark):
            scored = SelectionSet(benchmark, job.train.input_px, processes)
            self.selection = SelectionHook(scored, folder, self.log, job.train, leads)
        self._state = StateHook(folder, job.train, self.log, self.selection, leads)
        self._runner = self._build_runner(config, parts)

    @property
    def model(self) -> Any:
        """The network."""
        return unwrap(self._runner.model)

    def train(self) -> None:
        """Train to the end."""
        self._runner.train()
        self.log.close()

    def prepare(self, runner: Any) -> None:
        """Resume, or start from the ImageNet weights; called when the runner is built."""
        if self._state.resume(runner):
            logging.info("%s: resumed at iteration %d", self._job.run, runner.iter)
        elif source := self._job.model_params.pretrained:
            self._state.weights = load_backbone(self.model.backbone, self._fetch(source))
            logging.info("%s: %s", self._job.run, describe(self._state.weights))
        train = self._job.train
        alone = not self._processes.several
        set_up(self.model, precision=train.precision, accelerated=train.accelerate and alone)

    def _fetch(self, source: str) -> Path:
        """Return the file of ImageNet weights; only one process downloads it."""
        if not self._processes.leads:
            self._processes.wait()
        path = fetch_weights(source, self._job.model_params.pretrained_sha256)
        if self._processes.leads:
            self._processes.wait()
        return path

    def card(self) -> dict[str, Any]:
        """Describe what was trained, for `card.json`."""
        job, best = self._job, self.selection.best if self.selection else None
        cuda = torch.cuda.is_available()
        device = torch.cuda.get_device_name() if cuda else "cpu"
        count = self._processes.count
        return {
            "run": job.run,
            "model": job.model,
            "combination": dataclasses.asdict(job.combination),
            "iterations": job.train.iterations,
            "samples_seen": job.train.iterations * job.train.batch_size,
            "seed": job.train.seed,
            "initial_weights": describe(self._state.weights),
            "weights": self._state.weights,
            "num_parameters": sum(value.numel() for value in self.model.parameters()),
            "selected": {key: best[key] for key in ("iteration", "miou")} if best else None,
            "not_selected": None if best else f"RealOcc is empty: {self._benchmark.absent}",
            "device": f"{count} x {device}" if count > 1 else device,
            "precision": job.train.precision if cuda else "fp32",
            "seconds": round(self._state.total_seconds(), 1),
            "resumed_at": self._state.resumed_at,
            "versions": {
                "python": platform.python_version(),
                **{package: version(package) for package in PACKAGES},
            },
        }

    def _build_runner(self, config: dict[str, Any], parts: Sequence[Part]) -> Runner:
        params = self._job.train
        torch.manual_seed(params.seed)  # of the random initial weights
        custom_hooks = [
            _PrepareHook(self),
            StepSeedHook(params.seed, self._processes.rank),
            self.log,
            *([self.selection] if self.selection else []),
            self._state,
        ]
        model = build_segmentor(config["model"])
        model.to(memory_format=torch.channels_last)
        loader = build_loader(
            parts, params, pin_memory=torch.cuda.is_available(), processes=self._processes
        )
        unused = ("runtime_info", "timer", "sampler_seed", "logger", "checkpoint")
        arguments: dict[str, Any] = {
            "model": self._processes.wrap(model),
            "work_dir": str(self.folder / "mmengine"),
            "train_dataloader": loader,
            # Runner fills in its arguments: it is given copies.
            **copy.deepcopy({key: config[key] for key in RUNNER_KEYS}),
            "default_hooks": dict.fromkeys(unused),
            "custom_hooks": custom_hooks,
            "default_scope": None,  # with one, mmengine imports all of mmseg's data sets
            "randomness": {"seed": params.seed},
            "log_level": "WARNING",
            "experiment_name": f"{self._job.run}-{uuid.uuid4().hex}",
        }
        return QuietRunner(**arguments)


class _PrepareHook(Hook):
    """Let the session prepare the runner after all its parts are built."""

    priority = "HIGHEST"

    def __init__(self, session: _Session) -> None:
        self._session = session

    def before_train(self, runner: Any) -> None:
        self._session.prepare(runner)


def _write_run(out: Path, session: _Session, config: dict[str, Any], card: dict[str, Any]) -> None:
    """Write the run's folder aside and rename it."""
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    iteration = card["iterations"]
    write_checkpoint(
        partial / "last.pth", {"model": session.model.state_dict(), "iteration": iteration}
    )
    if session.selection and session.selection.best:
        shutil.copyfile(session.folder / session.selection.best["file"], partial / "best.pth")
    for name, content in (("config.json", config), ("card.json", card)):
        (partial / name).write_text(json.dumps(content, indent=2) + "\n")
    for log in ("dvclive", "tensorboard"):
        shutil.copytree(session.folder / log, partial / log)
    shutil.rmtree(out, ignore_errors=True)
    partial.rename(out)
