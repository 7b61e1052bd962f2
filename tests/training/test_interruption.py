"""A run that is killed at any moment ends as if nothing had happened."""

import itertools
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dvclive.live import Live

from face_occlusion.networks import checkpoint, segmentor
from face_occlusion.networks.checkpoint import read_checkpoint, write_checkpoint
from face_occlusion.training import run
from face_occlusion.training.loop import SelectionSet, Trainer
from face_occlusion.training.run import train_run
from tests.conftest import files_of
from tests.tables import refuses
from tests.training.children import start
from tests.training.conftest import job, machine_log


def train(data: Path, folder: Path, iterations: int = 24) -> None:
    """Train with dropout, augmentation, warm-up and several scores and checkpoints."""
    changes = {"iterations": iterations, "eval_interval": 7, "checkpoint_interval": 5}
    made = job("segformer", "faces/wo", "faces/o", **changes)
    train_run(made, data, folder / "out", folder / "scratch")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def half_state(_content: dict[str, Any], file: Any) -> None:
    """Begin a file as torch.save does, and die."""
    file.write(b"PK\3\4" * 1000)
    file.flush()
    die()


def half_weights(path: Path, data: bytes) -> None:
    """Write half of a file, and die."""
    with path.open("wb") as file:
        file.write(data[: len(data) // 2])
    die()


def kill_at(place: Any, name: str, call: int) -> Callable[[], None]:
    """Return what makes the n-th call of a function kill the process."""

    def patch() -> None:
        function, calls = getattr(place, name), itertools.count(1)

        def counted(*args: Any, **kwargs: Any) -> Any:
            if next(calls) == call:
                die()
            return function(*args, **kwargs)

        setattr(place, name, counted)

    return patch


DEATHS: dict[str, Callable[[], None]] = {
    "in the third iteration": kill_at(segmentor, "ohem_loss", 3),
    "half of the first state written": lambda: setattr(checkpoint.torch, "save", half_state),
    "state written, not renamed": kill_at(checkpoint.Path, "replace", 1),
    "while scoring": kill_at(SelectionSet, "miou", 1),
    "half of the best weights": lambda: setattr(checkpoint.Path, "write_bytes", half_weights),
    "while a row is logged": kill_at(Live, "make_summary", 12),
    "a later iteration": kill_at(segmentor, "ohem_loss", 9),
    "half of the run's folder written": kill_at(run, "atomic_write", 2),
}


def train_and_die(death: str, data: Path, folder: Path) -> None:
    DEATHS[death]()
    train(data, folder)


def test_killed_at_every_kind_of_moment_equals_undisturbed(data, tmp_path):
    """One run dies eight times, each time where most could be lost."""
    for death in DEATHS:
        child = start(train_and_die, death, data, tmp_path)
        child.join(120)
        assert child.exitcode == -signal.SIGKILL, death
        assert not (tmp_path / "out").exists()
        for state in tmp_path.glob("scratch/run/*/checkpoint.pth"):
            assert read_checkpoint(state)["iteration"] % 5 == 0, death
    for folder in (tmp_path, tmp_path / "undisturbed"):
        train(data, folder)
    assert files_of(tmp_path / "out") == files_of(tmp_path / "undisturbed" / "out")
    resumed_at = machine_log(tmp_path / "scratch")["resumed_at"]
    assert len(resumed_at) >= 3 and resumed_at == sorted(resumed_at)
    assert [path.name for path in (tmp_path / "scratch" / "run").iterdir()] == ["log"]


def test_a_second_process_is_refused_while_the_first_lives(data: Path, tmp_path: Path):
    child = start(train, data, tmp_path, 100_000)
    try:
        while not list(tmp_path.glob("scratch/run/*/checkpoint.pth")):
            assert child.is_alive()
            time.sleep(0.02)
        refuses("run: being trained by another process", train, data, tmp_path)
        assert child.is_alive() and not (tmp_path / "out").exists()
    finally:
        child.kill()
        child.join()
    train(data, tmp_path)
    assert (tmp_path / "out" / "last.safetensors").is_file()


def test_a_damaged_state_and_one_that_lacks_something_are_refused_by_name(data, tmp_path):
    child = start(train_and_die, "while a row is logged", data, tmp_path)
    child.join(120)
    (path,) = tmp_path.glob("scratch/run/*/checkpoint.pth")
    whole, tensor = path.read_bytes(), "decode_head.conv_seg.weight"

    def refused(message: str) -> None:
        with pytest.raises(ValueError, match=rf"checkpoint\.pth: {message}") as caught:
            train(data, tmp_path)
        assert "\n" not in str(caught.value)

    path.write_bytes(whole[:-2000])
    refused("not a checkpoint .*delete the folder .*run starts anew")
    for lost in ("iteration", "weights", "schedules", tensor):
        path.write_bytes(whole)
        state = read_checkpoint(path)
        del (state["model"] if lost == tensor else state)[lost]
        write_checkpoint(path, state)
        refused(rf"not a checkpoint of this run: .*{lost}.*; delete the folder")


def test_a_reader_that_died_is_named_however_pytorch_learns_of_it():
    def batches(error):
        raise error
        yield

    killed = RuntimeError("DataLoader worker (pid 1) is killed by signal: Killed.")
    for error in (killed, ConnectionResetError(104, "Connection reset by peer"), EOFError()):
        trainer = Trainer.__new__(Trainer)
        trainer._job, trainer._batches = job("pspnet", "faces/wo"), batches(error)
        refuses(r"a process that reads samples died", trainer._next_batch)
