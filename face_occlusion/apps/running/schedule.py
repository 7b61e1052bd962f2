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

    # Stages that succeeded, in the order in which they ended.
    done: list[str] = field(default_factory=list)
    failed: dict[str, Path] = field(default_factory=dict)  # stages that failed, with their logs
    # Stages that were not run, with the failed stage that they depend on.
    skipped: dict[str, str] = field(default_factory=dict)
    interrupted: int | None = None  # the signal that ended the run, or None


class _Running(NamedTuple):
    job: Job
    slot: Slot
    started: float


class _Schedule:
    """Which stages wait, run and are done."""

    def __init__(
        self, stages: Mapping[str, Stage], slots: Sequence[Slot], launch: Launch, bar: tqdm
    ) -> None:
        self._stages = stages
        self._launch = launch
        self._bar = bar
        self._waiting = list(stages)
        self._free = list(slots)
        self._attempts: Counter[str] = Counter()
        self.running: dict[str, _Running] = {}
        self.outcome = Outcome()

    @property
    def ended(self) -> bool:
        return not self.running and (not self._waiting or self.outcome.interrupted is not None)

    def start_ready(self) -> None:
        """Fill the free slots with stages whose upstream stages are done."""
        pending = self._stages.keys() - self.outcome.done
        ready = [n for n in self._waiting if pending.isdisjoint(self._stages[n].upstream)]
        for name in ready[: len(self._free)]:
            self._waiting.remove(name)
            slot = self._free.pop(0)
            self._attempts[name] += 1
            job = self._launch(self._stages[name], slot)
            self.running[name] = _Running(job, slot, time.monotonic())

    def collect_ended(self) -> None:
        """Free the slots of the stages that ended, and record how they did."""
        for name, running in list(self.running.items()):
            status = running.job.poll()
            if status is None:
                continue
            del self.running[name]
            self._free.append(running.slot)
            self._free.sort(key=lambda slot: slot.number)
            if status == 0:
                self.outcome.done.append(name)
                self._bar.write(f"{name}: {time.monotonic() - running.started:.0f} s")
                self._bar.update()
            elif self.outcome.interrupted is not None:
                self._bar.write(f"{name}: interrupted")
            elif self._attempts[name] < ATTEMPTS and was_locked_out(running.job.log):
                self._bar.write(f"{name}: another DVC process holds a lock; trying again")
                self._waiting.insert(0, name)
            else:
                self._fail(name, status, running.job.log)

    def _fail(self, name: str, status: int, log: Path) -> None:
        self.outcome.failed[name] = log
        self._bar.write(f"{name}: FAILED with status {status}; its output: {log}")
        lost = {name}
        for other in list(self._waiting):  # those before it are listed before it
            if not lost.isdisjoint(self._stages[other].upstream):
                self._waiting.remove(other)
                self.outcome.skipped[other] = name
                lost.add(other)

    def show(self) -> None:
        """Update the names of the running stages and the time in the progress bar."""
        names = ", ".join(self.running)
        if names != (self._bar.postfix or ""):
            self._bar.set_postfix_str(names)
        self._bar.update(0)


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
        schedule = _Schedule(stages, slots, launch, bar)
        passed_on = 0
        try:
            while not schedule.ended:
                schedule.collect_ended()
                for number in received[passed_on:]:
                    schedule.outcome.interrupted = number
                    bar.write("ending the running stages; a second signal kills them")
                    for running in schedule.running.values():
                        running.job.send(number)
                    passed_on += 1
                if not received:
                    schedule.start_ready()
                schedule.show()
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
