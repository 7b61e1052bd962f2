"""Run the stages that are out of date, several at a time, and leave what `dvc repro` leaves.

DVC appends to dvc.lock and to .gitignore whenever a stage ends. A .gitignore inside a folder that
a stage reads is even part of that folder's hash, so a different order of its lines would put later
stages out of date. Both are therefore brought into the order in which `dvc repro` writes them.
"""

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path

import typer

from face_occlusion.apps.running import jobs
from face_occlusion.apps.running.hosts import Hosts, remote_launch
from face_occlusion.apps.running.pipeline import Stage, read_pipeline
from face_occlusion.apps.running.plan import by_urgency, estimate
from face_occlusion.apps.running.schedule import Outcome, run_stages
from face_occlusion.core.files import atomic_path
from face_occlusion.core.params import read_yaml
from face_occlusion.core.stage import read_times, sole_process

_LOCK = Path(".scratch/run.lock")


def run_pipeline(
    root: Path, targets: Iterable[str], slots: Sequence[jobs.Slot], hosts: Hosts | None = None
) -> int:
    """Run the stages of `targets` that are out of date, some on `hosts`; print how they ended.

    Returns the exit status: 0 if all is up to date, 1 if a stage failed, 128 + n after signal n.
    No such pipeline, and one that another process runs, is a ValueError.
    """
    with sole_process(root / _LOCK, f"{root}: the pipeline is run"):
        stages = read_pipeline(root, targets)
        costs = estimate(stages, read_times(root))
        if not costs:
            typer.echo("everything is up to date")
            return 0
        before = locked_stages(root)
        ignore_outputs(root, list(costs))
        stale = {name: stages[name] for name in by_urgency(costs)}

        forked = jobs.import_libraries(root / "params.yaml", slots[0], list(stale.values()))

        def here(stage: Stage, slot: jobs.Slot) -> jobs.Job:
            log = jobs.log_path(root, stage.name)
            if stage.group in forked:
                return jobs.ForkedStage(stage.name, log, slot.environment, root)
            return jobs.LocalJob(jobs.repro_command(stage.name), log, slot.environment, root)

        with remote_launch(root, hosts, here) if hosts else nullcontext(here) as launch:
            outcome = run_stages(stale, slots, launch)
        restore_order(root, before, list(stages))
    return _report(outcome, len(stale))


def _report(outcome: Outcome, count: int) -> int:
    for name, log in outcome.failed.items():
        typer.echo(f"\n{name} failed; the end of {log}:\n{jobs.tail(log)}", err=True)
    for name, culprit in outcome.skipped.items():
        typer.echo(f"{name}: not run, because it depends on {culprit}", err=True)
    typer.echo(f"{len(outcome.done)} of {count} stages done", err=bool(outcome.failed))
    if outcome.interrupted is not None:
        typer.echo("interrupted; the same command resumes from here", err=True)
        return 128 + outcome.interrupted
    return 1 if outcome.failed else 0


def ignore_outputs(root: Path, serial: Sequence[str]) -> None:
    """Let git ignore the outputs of stages before they run, in the order of `dvc repro`, `serial`.

    An output that git tracks is a ValueError.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(root), _wait_for_lock=True) as repo, repo.lock, repo.scm_context(quiet=True):
            stages = {stage.addressing: stage for stage in repo.index.stages}
            for out in (out for name in serial for out in stages[name].outs):
                if out.use_scm_ignore:
                    Path(out.fs_path).parent.mkdir(parents=True, exist_ok=True)
                out.ignore()
    except DvcException as error:
        raise ValueError(str(error)) from error


def locked_stages(root: Path) -> list[str]:
    """Return the stages in dvc.lock, in its order."""
    path = root / "dvc.lock"
    return list(read_yaml(path).get("stages", {})) if path.is_file() else []


def restore_order(root: Path, before: Sequence[str], serial: Sequence[str]) -> None:
    """Order dvc.lock as `dvc repro`: stages `before` stay, new ones follow in `serial` order."""
    from dvc.repo import Repo
    from dvc.utils.serialize import dump_yaml, load_yaml

    path = root / "dvc.lock"
    with Repo(str(root), _wait_for_lock=True) as repo, repo.lock:
        content = load_yaml(str(path)) if path.is_file() else {}
        stages = content.get("stages", {})
        order = [name for name in dict.fromkeys((*before, *serial, *stages)) if name in stages]
        if order != list(stages):
            content["stages"] = {name: stages[name] for name in order}
            with atomic_path(path) as partial:
                dump_yaml(str(partial), content)
