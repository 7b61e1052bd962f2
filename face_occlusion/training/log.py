"""The log of a run: rows for `dvc plots` and TensorBoard, a progress bar, a stop on divergence."""

import math
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import torch
from dvclive.live import Live
from torch.utils.tensorboard.writer import SummaryWriter
from tqdm import tqdm

from face_occlusion.core.files import naming
from face_occlusion.training.settings import TrainParams

Row = dict[str, float]  # names its `step`
MACHINE = ("images_per_s", "gpu_memory_gib")  # for TensorBoard alone: no two runs share them


class TrainingLog:
    """Logs the loss, stops the run when it diverges, and shows progress.

    Losses stay on the device until a row is due, so that the host does not wait for a GPU. Every
    process checks the loss, which is that of the whole batch; only the main one writes. Files of an
    earlier session are replaced.

    Args:
        folder: Folder for DVCLive's `dvclive` and TensorBoard's `tensorboard`.
        run: Name of the run, shown with the progress bar.
        params: `log_interval`, `stop_loss`, `batch_size`, `iterations`.
        is_main: Whether this process writes.
        name_at: Returns the name of the sample at a position of the run, for errors.
    """

    def __init__(
        self,
        folder: Path,
        run: str,
        params: TrainParams,
        *,
        is_main: bool,
        name_at: Callable[[int], str],
    ) -> None:
        self.rows: list[Row] = []
        self.last_checkpoint = "none yet"
        self._run, self._params, self._name_at = run, params, name_at
        self._folder, self._is_main = folder, is_main
        if is_main:
            shutil.rmtree(folder / "tensorboard", ignore_errors=True)
            with naming(folder):
                self._live = Live(str(folder / "dvclive"), dvcyaml=None, save_dvc_exp=False)
                self._events = SummaryWriter(str(folder / "tensorboard"))
        self._pending: list[torch.Tensor] = []
        self._bar = tqdm(
            total=params.iterations, desc=run, unit="it", mininterval=1.0, disable=not is_main
        )
        self.start(0, [])

    def start(self, first: int, rows: list[Row]) -> None:
        """Begin with the iterations and the rows of earlier sessions."""
        for row in rows:
            self.add_row(row)
        self._first_pending = first
        self._bar.update(first)
        self._since = time.perf_counter()

    def add_loss(self, loss: torch.Tensor) -> None:
        """Remember the loss of one iteration, a scalar on any device."""
        self._pending.append(loss.detach())
        self._bar.update()

    def flush(self, lr: float) -> None:
        """Check the losses since the last row and write their mean, with the current learning rate.

        A loss that is not finite or above `stop_loss` is a ValueError that names the batch.
        """
        if not self._pending:
            return
        losses = torch.stack(self._pending).tolist()
        self._check(losses)
        num, seconds = len(losses), time.perf_counter() - self._since
        row = {"step": self._first_pending + num, "loss": sum(losses) / num, "lr": lr}
        row["images_per_s"] = num * self._params.batch_size / seconds
        if torch.cuda.is_available():
            row["gpu_memory_gib"] = torch.cuda.max_memory_allocated() / 2**30
        self.add_row(row)
        self._bar.set_postfix(loss=f"{row['loss']:.3f}", refresh=False)
        self._first_pending += len(losses)
        self._pending.clear()
        self._since = time.perf_counter()

    def add_row(self, row: Row) -> None:
        """Write a row."""
        self.rows.append(row)
        if not self._is_main:
            return
        values = {name: value for name, value in row.items() if name != "step"}
        self._live.step = int(row["step"])
        with naming(self._folder):
            for name, value in values.items():
                self._events.add_scalar(name, value, self._live.step)
                if name not in MACHINE:
                    self._live.log_metric(name, value)
            self._live.make_summary()
            self._events.flush()

    def close(self) -> None:
        """Close the log and the progress bar."""
        if self._is_main:
            with naming(self._folder):
                self._live.end()
                self._events.close()
        self._bar.close()

    def _check(self, losses: list[float]) -> None:
        for offset, loss in enumerate(losses):
            if math.isfinite(loss) and loss <= self._params.stop_loss:
                continue
            iteration = self._first_pending + offset
            size = self._params.batch_size
            names = [self._name_at(iteration * size + place) for place in range(size)]
            self._bar.close()
            raise ValueError(
                f"{self._run}: the loss is {loss:g} in iteration {iteration + 1} (stop_loss "
                f"{self._params.stop_loss:g}); batch: {', '.join(names)}; last good checkpoint: "
                f"{self.last_checkpoint}; a lower `lr` or a longer warm-up may help"
            )
