"""The training loop: steps, schedules, scores on RealOcc, checkpoints to resume from."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import MMLogger
from torch.nn import functional

from face_occlusion.core.classes import FACE, IGNORED
from face_occlusion.core.combination import Combination
from face_occlusion.core.imageset import ImageSet
from face_occlusion.networks.checkpoint import (
    read_checkpoint,
    read_hashed,
    write_checkpoint,
    write_weights,
)
from face_occlusion.networks.loss import log_odds
from face_occlusion.networks.segmentor import FaceSegmentor, build_segmentor
from face_occlusion.training.acceleration import set_up
from face_occlusion.training.architectures import ModelParams
from face_occlusion.training.dataset import FaceDataset, build_loader, read_sample
from face_occlusion.training.distributed import SINGLE_PROCESS, Processes, current_device
from face_occlusion.training.log import TrainingLog
from face_occlusion.training.recipe import build_optimizer, build_schedules
from face_occlusion.training.settings import TrainParams
from face_occlusion.training.weights import describe, fetch_weights, load_backbone


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a run trains."""

    run: str  # its name
    model: str  # its architecture
    model_params: ModelParams  # the architecture's
    combination: Combination  # its training samples
    train: TrainParams  # what all runs share


class Trainer:
    """One process's share of a run, from its last checkpoint if there is one.

    A checkpoint holds network, optimiser, schedules, log and selection. Sampling, augmentation and
    dropout need no state: they are functions of the seed and the iteration.

    Args:
        job: What to train.
        config: Its resolved configuration.
        samples: What it is trained on.
        benchmark: Selects the best network; without images none is selected.
        folder: Folder for checkpoints and log.
        processes: Those that train this run; only rank 0 writes, all of them resume.

    Attributes:
        model: The network.
        best: `iteration`, `miou`, `file` and `sha256` of the selected network, if there is one.
        weights: The record of the ImageNet weights that the first session started from.
        resumed_at: The iterations at which the run was resumed.
    """

    def __init__(
        self,
        job: Job,
        config: dict[str, Any],
        samples: FaceDataset,
        benchmark: ImageSet,
        folder: Path,
        processes: Processes,
    ) -> None:
        self._job, self._params, self._processes = job, job.train, processes
        self._started = time.perf_counter()
        self._folder, self._state_path = folder, folder / "checkpoint.pth"
        self._selection = None
        if len(benchmark):
            self._selection = SelectionSet(benchmark, job.train.input_px, processes)
        self._first = 0
        state = self._read_state() if self._state_path.is_file() else None
        self.model = self._new_model(config["model"])
        self.weights = self._load_weights(state)
        accelerated = job.train.accelerate and not processes.is_distributed
        set_up(self.model, precision=job.train.precision, accelerated=accelerated)
        if samples.occlude is not None:
            samples.occlude.attach(self.model, compiled=accelerated)
        self._wrapped: Any = processes.wrap(self.model)
        self._optimizer = build_optimizer(self._wrapped, config)
        self._schedules = build_schedules(self._optimizer, config)
        self._batches = iter(build_loader(samples, processes, self._first))
        self._log = TrainingLog(
            folder, job.run, job.train, is_main=processes.is_main, name_at=samples.name_at
        )
        self.best: dict[str, Any] | None = None
        self.resumed_at: list[int] = []
        self._seconds = 0.0  # of earlier sessions
        if state:
            self._resume(state)

    def _read_state(self) -> dict[str, Any]:
        """Read the last checkpoint, and check the best network that it names."""
        with self._using_state():
            state = read_checkpoint(self._state_path)
            self._first = state["iteration"]
            if best := state["best"]:
                read_hashed(self._folder / best["file"], best["sha256"])
        return state

    @contextmanager
    def _using_state(self) -> Iterator[None]:
        """Say how to go on where the last checkpoint does not fit the run."""
        remedy = f"delete the folder {self._folder}, and the run starts anew"
        try:
            yield
        except ValueError as error:
            raise ValueError(f"{error}; {remedy}") from error
        except (LookupError, RuntimeError, TypeError) as error:
            reason = " ".join(str(error).split())
            raise ValueError(
                f"{self._state_path}: not a checkpoint of this run: {reason}; {remedy}"
            ) from error

    def _resume(self, state: dict[str, Any]) -> None:
        """Take over what a checkpoint holds, apart from the network's weights."""
        with self._using_state():
            self._optimizer.load_state_dict(state["optimizer"])
            for schedule, saved in zip(self._schedules, state["schedules"], strict=True):
                schedule.load_state_dict(saved)
            self._log.start(self._first, state["rows"])
            self._log.last_checkpoint = f"{self._state_path} (iteration {self._first})"
            self.best, self._seconds = state["best"], state["seconds"]
            self.resumed_at = [*state["resumed_at"], state["iteration"]]

    def train(self) -> None:
        """Train to the end of the run; a loss that diverges is a ValueError."""
        # No two iterations of a seed share a number, nor do the processes of a run.
        seed = self._params.seed * 1_000_003 + self._processes.rank * 1_000_000_007
        for iteration in range(self._first, self._params.iterations):
            self._wrapped.train()
            batch = self._next_batch()
            torch.manual_seed(seed + iteration)  # so that dropout depends on nothing before it
            losses = self._wrapped.train_step(batch, self._optimizer)
            self._log.add_loss(losses["loss"])
            self._finish_step(iteration + 1)
        self._log.close()

    def _next_batch(self) -> dict[str, Any]:
        try:
            return next(self._batches)
        except (RuntimeError, ConnectionError, EOFError) as error:
            # The latter two come from a process that died while it passed a sample on.
            if isinstance(error, RuntimeError) and not str(error).startswith("DataLoader worker"):
                raise
            raise ValueError(
                f"{self._job.run}: a process that reads samples died (killed, or out of memory); "
                "run again, with a lower train.num_workers or train.cache_mb: the run resumes "
                "from its last checkpoint"
            ) from error

    def total_seconds(self) -> float:
        """Return the time spent, in all sessions."""
        return self._seconds + time.perf_counter() - self._started

    def _new_model(self, config: dict[str, Any]) -> FaceSegmentor:
        """Build the network on this process's device with the seed's random weights."""
        if not MMLogger.check_instance_created("mmengine"):  # without it each weight is logged
            MMLogger.get_instance("mmengine", log_level="WARNING")
        torch.manual_seed(self._params.seed)
        model = build_segmentor(config)
        model.to(current_device(), memory_format=torch.channels_last)
        torch.manual_seed(self._params.seed)
        model.init_weights()
        return model

    def _load_weights(self, state: dict[str, Any] | None) -> dict[str, Any] | None:
        """Load the checkpoint's weights or ImageNet's; return the record of the latter."""
        run = self._job.run
        if state:
            with self._using_state():
                self.model.load_state_dict(state["model"])
                logging.info("%s: resumed at iteration %d", run, self._first)
                return state["weights"]
        if not (source := self._job.model_params.pretrained):
            return None
        if not self._processes.is_main:
            self._processes.wait()  # rank 0 downloads the file
        params = self._job.model_params
        path = fetch_weights(source, params.pretrained_sha256, params.variant)
        if self._processes.is_main:
            self._processes.wait()
        record = load_backbone(self.model.backbone, path)
        logging.info("%s: %s", run, describe(record))
        return record

    def _finish_step(self, step: int) -> None:
        """Log, score, schedule and write the state after `step` iterations, where due."""
        params, is_last = self._params, step == self._params.iterations
        if step % params.log_interval == 0:
            self._flush_log()
        if self._selection and (is_last or step % params.eval_interval == 0):
            self._score(self._selection, step)
        for schedule in self._schedules:
            schedule.step()
        if is_last or step % params.checkpoint_interval == 0:
            self._flush_log()  # raises if the loss diverged: such a state is never written
            if self._processes.is_main and not is_last:
                self._write_state(step)

    def _flush_log(self) -> None:
        self._log.flush(self._optimizer.get_lr()["lr"][-1])

    def _score(self, selection: SelectionSet, step: int) -> None:
        """Score the network on RealOcc; the weights of a better one are written at once."""
        miou = selection.miou(self.model, 2 * self._params.batch_size)
        self._log.add_row({"step": step, "realocc_miou": miou})
        if self.best is None or miou > self.best["miou"]:
            name, digest = f"best-{step}.safetensors", ""
            if self._processes.is_main:
                digest = write_weights(self._folder / name, self.model.state_dict())
            self.best = {"iteration": step, "miou": miou, "file": name, "sha256": digest}

    def _write_state(self, step: int) -> None:
        """Write the checkpoint, then delete the best weights that it no longer names."""
        content = {
            "iteration": step,
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedules": [schedule.state_dict() for schedule in self._schedules],
            "rows": self._log.rows,
            "best": self.best,
            "seconds": self.total_seconds(),
            "weights": self.weights,
            "resumed_at": self.resumed_at,
        }
        write_checkpoint(self._state_path, content)
        self._log.last_checkpoint = f"{self._state_path} (iteration {step})"
        for path in self._folder.glob("best-*"):
            if self.best is None or path.name != self.best["file"]:
                path.unlink()


class SelectionSet:
    """A benchmark, decoded once at the network's input size, that selects a checkpoint.

    The score is taken at that size and without test-time augmentation; it orders checkpoints of
    one run. The reported scores are taken at the images' own sizes, by the evaluate stage. Of
    several processes, this one holds every `count`-th image.
    """

    def __init__(
        self, images: ImageSet, side_px: int, processes: Processes = SINGLE_PROCESS
    ) -> None:
        keys = images.keys[processes.rank :: processes.count]
        self._processes = processes
        self._images = torch.empty((len(keys), side_px, side_px, 3), dtype=torch.uint8)
        self._seg_maps = torch.empty((len(keys), side_px, side_px), dtype=torch.uint8)
        for place, key in enumerate(keys):
            image, seg_map = read_sample(images, key, "png", side_px)
            self._images[place] = torch.from_numpy(image)
            self._seg_maps[place] = torch.from_numpy(seg_map)

    def miou(self, model: FaceSegmentor, batch_size: int) -> float:
        """Return the mean over both classes of the pooled IoU; leaves the model in eval mode."""
        model.eval()
        confusion = torch.zeros(4, dtype=torch.int64)  # tn, fp, fn, tp of the face
        batches = zip(self._images.split(batch_size), self._seg_maps.split(batch_size), strict=True)
        with torch.inference_mode():
            for images, seg_maps in batches:
                batch = model.data_preprocessor({"inputs": images}, False)
                size, logits = seg_maps.shape[1:], model(**batch).float()
                logits = functional.interpolate(logits, size=size, mode="bilinear")
                pred, valid = (log_odds(logits) > 0).cpu(), seg_maps != IGNORED
                cells = 2 * (seg_maps == FACE)[valid].long() + pred[valid].long()
                confusion += torch.bincount(cells, minlength=4)
        tn, fp, fn, tp = self._processes.sum(confusion).tolist()
        ious = [hit / union for hit, union in ((tn, tn + fp + fn), (tp, tp + fp + fn)) if union]
        return sum(ious) / len(ious)
