"""Run several stages at a time, each as soon as the stages before it are done."""

import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from face_occlusion.apps.running.jobs import Job, Slot, end_all, was_locked_out
from face_occlusion.apps.running.pipeline import Stage

TICK = 0.1  # seconds between two polls of the jobs
ATTEMPTS = 5  # at a stage that fails only because of a lock

Launch = Callable[[Stage, Slot], Job]


@dataclass
class Outcome:
    """How the stages ended."""

    done: list[str] = field(default_factory=list)  # that succeeded, in the order of their ends
    failed: dict[str, Path] = field(default_factory=dict)  # with their logs
    skipped: dict[str, str] = field(default_factory=dict)  # with the failed stage they depend on
    interrupted: int | None = None  # the signal that ended the run, or None


class _Running(NamedTuple):
    job: Job
    slot: Slot
    started: float


@dataclass
class _Schedule:
    """Which stages wait, run and are done."""

    stages: Mapping[str, Stage]
    launch: Launch
    bar: tqdm
    waiting: list[str]
    free: list[Slot]
    attempts: Counter[str] = field(default_factory=Counter)
    running: dict[str, _Running] = field(default_factory=dict)
    outcome: Outcome = field(default_factory=Outcome)

    def start_ready(self) -> None:
        """Fill the free slots with stages whose upstream stages are done."""
        pending = self.stages.keys() - self.outcome.done
        ready = [n for n in self.waiting if pending.isdisjoint(self.stages[n].upstream)]
        for name in ready[: len(self.free)]:
            self.waiting.remove(name)
            slot = self.free.pop(0)
            self.attempts[name] += 1
            job = self.launch(self.stages[name], slot)
            self.running[name] = _Running(job, slot, time.monotonic())

    def collect_ended(self) -> None:
        """Free the slots of the stages that ended, and record how they did."""
        for name, running in list(self.running.items()):
            status = running.job.poll()
            if status is None:
                continue
            del self.running[name]
            self.free.append(running.slot)
            self.free.sort(key=lambda slot: slot.number)
            if status == 0:
                self.outcome.done.append(name)
                self.bar.write(f"{name}: {time.monotonic() - running.started:.0f} s")
                self.bar.update()
            elif self.outcome.interrupted is not None:
                self.bar.write(f"{name}: interrupted")
            elif self.attempts[name] < ATTEMPTS and was_locked_out(running.job.log):
                self.bar.write(f"{name}: another DVC process holds a lock; trying again")
                self.waiting.insert(0, name)
            else:
                self._fail(name, status, running.job.log)

    def _fail(self, name: str, status: int, log: Path) -> None:
        self.outcome.failed[name] = log
        self.bar.write(f"{name}: FAILED with status {status}; its output: {log}")
        for other in list(self.waiting):  # those before it are listed before it
            if not {name, *self.outcome.skipped}.isdisjoint(self.stages[other].upstream):
                self.waiting.remove(other)
                self.outcome.skipped[other] = name


def run_stages(stages: Mapping[str, Stage], slots: Sequence[Slot], launch: Launch) -> Outcome:
    """Run stages, as many at once as there are slots.

    Where several stages could start, the first in the given order is started first. When a stage
    fails, only the stages that depend on it are skipped. The first SIGINT or SIGTERM is passed on
    to the running stages, which are waited for; the second kills them.
    """
    interval = 1 if sys.stderr.isatty() else 60  # seconds; in a file each state is a line
    with (
        tqdm(total=len(stages), desc="stages", unit="stage", mininterval=interval) as bar,
        _signals() as received,
    ):
        schedule = _Schedule(stages, launch, bar, list(stages), list(slots))
        passed_on = 0
        try:
            while schedule.running or (schedule.waiting and schedule.outcome.interrupted is None):
                schedule.collect_ended()
                for number in received[passed_on:]:
                    schedule.outcome.interrupted = number
                    bar.write("ending the running stages; a second signal kills them")
                    for running in schedule.running.values():
                        running.job.send_signal(number)
                    passed_on += 1
                if not received:
                    schedule.start_ready()
                if (names := ", ".join(schedule.running)) != (bar.postfix or ""):
                    bar.set_postfix_str(names)
                bar.update(0)  # the time
                time.sleep(TICK)
        finally:
            end_all([running.job for running in schedule.running.values()])
    return schedule.outcome


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM, which would otherwise end this process."""
    received: list[int] = []
    before = {
        number: signal.signal(number, lambda received_number, _: received.append(received_number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
