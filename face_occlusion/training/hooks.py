"""mmengine hooks of a run: per-step randomness, log, selection, checkpoints."""

from __future__ import annotations

import math
import shutil
import time
from pathlib import Path
from typing import Any

import torch
from dvclive.live import Live
from mmengine.hooks import Hook
from torch.utils.tensorboard.writer import SummaryWriter
from tqdm import tqdm

from face_occlusion.networks.checkpoint import read_checkpoint, write_checkpoint
from face_occlusion.training.dataset import FaceDataset
from face_occlusion.training.distributed import unwrap
from face_occlusion.training.selection import SelectionSet
from face_occlusion.training.settings import TrainParams


class StepSeedHook(Hook):
    """Seed torch before each iteration, so that dropout depends on nothing before it.

    Args:
        seed: The run's.
        rank: Number of the process, each of which drops other values.
    """

    def __init__(self, seed: int, rank: int) -> None:
        self._base = seed * 1_000_003 + rank * 1_000_000_007

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Seed with a number that no other iteration of this seed has."""
        torch.manual_seed(self._base + batch_idx)


class _LogWriter:
    """Rows for `dvc plots` and for TensorBoard; a former session's files are replaced."""

    def __init__(self, folder: Path) -> None:
        self._live = Live(str(folder / "dvclive"), dvcyaml=None, save_dvc_exp=False)
        events = folder / "tensorboard"
        shutil.rmtree(events, ignore_errors=True)
        self._events = SummaryWriter(str(events))

    def write(self, row: dict[str, float]) -> None:
        step = int(row["step"])
        self._live.step = step
        for name, value in row.items():
            if name != "step":
                self._live.log_metric(name, value)
                self._events.add_scalar(name, value, step)
        self._live.make_summary()
        self._events.flush()

    def close(self) -> None:
        self._live.end()
        self._events.close()


class LogHook(Hook):
    """Log the loss, stop when it diverges, and show progress.

    Losses stay on the device until a row is due, so that a GPU is not waited for. Every process
    checks the loss, which is that of the whole batch; only the leading one writes.

    Args:
        folder: Folder for DVCLive's `dvclive` and TensorBoard's `tensorboard`.
        run: Name of the run, shown beside the bar.
        params: `log_interval`, `stop_loss`, `batch_size`, `iterations`.
        leads: Whether this process writes.
    """

    def __init__(self, folder: Path, run: str, params: TrainParams, leads: bool) -> None:
        self.rows: list[dict[str, float]] = []  # each with `step`
        self.last_checkpoint = "none yet"
        self._folder, self._run, self._params, self._leads = folder, run, params, leads
        self._writer: _LogWriter | None = None
        self._pending: list[torch.Tensor] = []
        self._first_pending = 0

    def before_train(self, runner: Any) -> None:
        """Open the log; after a resumption it starts with the rows of the checkpoint."""
        if self._leads:
            self._writer = _LogWriter(self._folder)
            for row in self.rows:
                self._writer.write(row)
        self._first_pending = runner.iter
        self._bar = tqdm(
            total=self._params.iterations,
            initial=runner.iter,
            desc=self._run,
            unit="it",
            mininterval=1.0,
            disable=not self._leads,
        )
        self._since = time.perf_counter()

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Remember the loss; every `log_interval` write a row."""
        self._pending.append(outputs["loss"].detach())
        self._bar.update()
        if (batch_idx + 1) % self._params.log_interval == 0:
            self.flush(runner)

    def flush(self, runner: Any) -> None:
        """Check the losses since the last row and write their mean.

        Raises:
            ValueError: If one is not finite or above `stop_loss`; names the batch.
        """
        if not self._pending:
            return
        losses = torch.stack(self._pending).tolist()
        self._check(runner, losses)
        now = time.perf_counter()
        row = {
            "step": self._first_pending + len(losses),
            "loss": sum(losses) / len(losses),
            "lr": runner.optim_wrapper.get_lr()["lr"][-1],
            "images_per_s": len(losses) * self._params.batch_size / (now - self._since),
        }
        if torch.cuda.is_available():
            row["gpu_memory_gib"] = torch.cuda.max_memory_allocated() / 2**30
        self.add(row)
        self._bar.set_postfix(loss=f"{row['loss']:.3f}", refresh=False)
        self._first_pending += len(losses)
        self._pending.clear()
        self._since = time.perf_counter()

    def add(self, row: dict[str, float]) -> None:
        """Write a row, which names its `step`."""
        self.rows.append(row)
        if self._writer is not None:
            self._writer.write(row)

    def close(self) -> None:
        """Close log and bar."""
        if self._writer is not None:
            self._writer.close()
        self._bar.close()

    def _check(self, runner: Any, losses: list[float]) -> None:
        for offset, loss in enumerate(losses):
            if math.isfinite(loss) and loss <= self._params.stop_loss:
                continue
            iteration = self._first_pending + offset
            size = self._params.batch_size
            dataset: FaceDataset = runner.train_dataloader.dataset
            names = [dataset.name_at(iteration * size + place) for place in range(size)]
            self._bar.close()
            raise ValueError(
                f"{self._run}: the loss is {loss:g} in iteration {iteration + 1} (stop_loss "
                f"{self._params.stop_loss:g}); batch: {', '.join(names)}; last good checkpoint: "
                f"{self.last_checkpoint}; a lower `lr` or a longer warm-up may help"
            )


class SelectionHook(Hook):
    """Score the network on RealOcc every `eval_interval` and keep the best one.

    Args:
        selection: The benchmark, or this process's part of it: all know the whole's score.
        folder: Where the best weights are kept until the run ends.
        log: The log to add a row to.
        params: `eval_interval`, `batch_size`, `iterations`.
        leads: Whether this process writes.
    """

    def __init__(
        self, selection: SelectionSet, folder: Path, log: LogHook, params: TrainParams, leads: bool
    ) -> None:
        self.best: dict[str, Any] | None = None  # iteration, miou, file
        self._selection, self._folder, self._log, self._params = selection, folder, log, params
        self._leads = leads

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Score; a better network's weights are written at once."""
        step = batch_idx + 1
        if step % self._params.eval_interval and step != self._params.iterations:
            return
        model = unwrap(runner.model)
        miou = self._selection.miou(model, 2 * self._params.batch_size)
        self._log.add({"step": step, "realocc_miou": miou})
        if self.best is None or miou > self.best["miou"]:
            name = f"best-{step}.pth"
            if self._leads:
                content = {"model": model.state_dict(), "iteration": step}
                write_checkpoint(self._folder / name, content)
            self.best = {"iteration": step, "miou": miou, "file": name}


class StateHook(Hook):
    """Write the whole state of the run now and then, and take it up again.

    The state holds network, optimiser, schedules, log and selection. Sampler and augmentation
    need none: they are functions of seed and iteration.

    Args:
        folder: The run's scratch folder.
        params: `checkpoint_interval`, `iterations`.
        log: Its rows are part of the state.
        selection: Its best network is part of the state, if there is a benchmark.
        leads: Whether this process writes; all take the state up.
    """

    priority = "LOWEST"  # after the schedules' step

    def __init__(
        self,
        folder: Path,
        params: TrainParams,
        log: LogHook,
        selection: SelectionHook | None,
        leads: bool,
    ) -> None:
        self.path = folder / "checkpoint.pth"
        self.seconds = 0.0  # of all sessions
        self.resumed_at: list[int] = []
        self.weights: dict[str, Any] | None = None  # what the first session's backbone started from
        self._params, self._log, self._selection, self._leads = params, log, selection, leads
        self._started = time.perf_counter()

    def resume(self, runner: Any) -> bool:
        """Load the state into a runner whose parts are built; False if there is none."""
        if not self.path.is_file():
            return False
        state = read_checkpoint(self.path)
        unwrap(runner.model).load_state_dict(state["model"])
        runner.optim_wrapper.load_state_dict(state["optimizer"])
        for scheduler, saved in zip(runner.param_schedulers, state["schedules"], strict=True):
            scheduler.load_state_dict(saved)
        runner.train_loop._iter = state["iteration"]
        self._log.rows = state["rows"]
        self._log.last_checkpoint = self._describe(state["iteration"])
        if self._selection is not None:
            self._selection.best = state["best"]
        self.seconds = state["seconds"]
        self.weights = state["weights"]
        self.resumed_at = [*state["resumed_at"], state["iteration"]]
        return True

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Write the state every `checkpoint_interval`; a diverged state is never written."""
        step = batch_idx + 1
        if step % self._params.checkpoint_interval and step != self._params.iterations:
            return
        self._log.flush(runner)
        if step == self._params.iterations or not self._leads:
            return
        now = time.perf_counter()
        self.seconds += now - self._started
        self._started = now
        best = self._selection.best if self._selection else None
        content = {
            "iteration": step,
            "model": unwrap(runner.model).state_dict(),
            "optimizer": runner.optim_wrapper.state_dict(),
            "schedules": [scheduler.state_dict() for scheduler in runner.param_schedulers],
            "rows": self._log.rows,
            "best": best,
            "seconds": self.seconds,
            "weights": self.weights,
            "resumed_at": self.resumed_at,
        }
        write_checkpoint(self.path, content)
        self._log.last_checkpoint = self._describe(step)
        for former in self.path.parent.glob("best-*.pth"):
            if best is None or former.name != best["file"]:
                former.unlink()

    def total_seconds(self) -> float:
        """Return the time spent, in all sessions."""
        return self.seconds + time.perf_counter() - self._started

    def _describe(self, iteration: int) -> str:
        return f"{self.path} (iteration {iteration})"
