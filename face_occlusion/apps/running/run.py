"""From a stale pipeline to a finished one: read, run side by side, report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path

import filelock
import typer

from face_occlusion.apps.running.costs import by_urgency, estimate
from face_occlusion.apps.running.hosts import Hosts, remote_launch
from face_occlusion.apps.running.jobs import Job, LocalJob, log_path, repro_command, tail
from face_occlusion.apps.running.pipeline import Stage, read_pipeline
from face_occlusion.apps.running.schedule import Launch, Outcome, run_stages
from face_occlusion.apps.running.serial_order import ignore_outputs, locked_stages, restore_order
from face_occlusion.apps.running.slots import Slot
from face_occlusion.core.timings import read_times

_LOCK = Path(".scratch/run.lock")


def run_pipeline(
    root: Path, targets: Iterable[str], slots: Sequence[Slot], hosts: Hosts | None = None
) -> int:
    """Run the stale stages and print what became of them.

    Args:
        root: The repository's root.
        targets: See `read_pipeline`.
        slots: Where stages run.
        hosts: Machines for some of them; None to run all here.

    Returns:
        Exit status: 0 if all is up to date, 1 if a stage failed, 128 + n after signal n.

    Raises:
        ValueError: If there is no such pipeline, or another process runs it.
    """
    (root / _LOCK).parent.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(root / _LOCK, timeout=0):
            stages = read_pipeline(root, targets)
            costs = estimate(stages, read_times(root))
            if not costs:
                typer.echo("everything is up to date")
                return 0
            before = locked_stages(root)
            ignore_outputs(root, list(costs))
            stale = {name: stages[name] for name in by_urgency(costs)}
            here = local_launch(root)
            with remote_launch(root, hosts, here) if hosts else nullcontext(here) as launch:
                outcome = run_stages(stale, slots, launch)
            restore_order(root, before, list(stages))
    except filelock.Timeout as error:
        raise ValueError(f"{root / _LOCK}: another `face-occlusion run` is at work here") from error
    return _report(outcome, len(stale))


def local_launch(root: Path) -> Launch:
    """Return what starts a stage on this machine."""

    def launch(stage: Stage, slot: Slot) -> Job:
        log = log_path(root, stage.name)
        return LocalJob(repro_command(stage.name), log, slot.environment, root)

    return launch


def _report(outcome: Outcome, count: int) -> int:
    for name, log in outcome.failed.items():
        typer.echo(f"\n{name} failed; the end of {log}:\n{tail(log)}", err=True)
    for name, culprit in outcome.skipped.items():
        typer.echo(f"{name}: not run, {culprit} comes before it", err=True)
    typer.echo(f"{len(outcome.done)} of {count} stages done", err=bool(outcome.failed))
    if outcome.interrupted is not None:
        typer.echo("interrupted; the same command goes on from here", err=True)
        return 128 + outcome.interrupted
    return 1 if outcome.failed else 0
