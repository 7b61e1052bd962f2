"""Run stages of dvc.yaml where DVC is not installed: `python -m bench.replicate --jobs 6`.

For a GPU machine that is lent for minutes: what dvc.yaml says is run in order, several stages at a
time, a run's scores right after its training. A stage whose outputs exist counts as done, so the
same command resumes; nothing is hashed, `dvc repro` does that later. `--until` ends the stages that
still run that many seconds after the start. `--keep` trains and scores in processes that stay, so
that modules and compiled programs are loaded once in each; `--runs` leaves other runs to other
processes, so that each compiles one network only. `--results` packs what the report needs of the
runs (scores, cards and curves; no weights), to be unpacked in the repository's root.
"""

import argparse
import os
import re
import shlex
import signal
import sys
import tarfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

from bench.kept import Kept, KeptJob
from face_occlusion.apps.running.jobs import Job, LocalJob, Slot, log_path, make_slots, tail
from face_occlusion.apps.running.pipeline import Stage
from face_occlusion.apps.running.schedule import run_stages
from face_occlusion.core.params import read_yaml

GROUPS = ("generate", "combine", "train", "evaluate")
KEPT_GROUPS = ("train", "evaluate")  # which read how to compute before they load PyTorch
RESULTS = ("reports/scores/*.json", "models/*/*.json", "models/*/dvclive/**/*", ".scratch/logs/*")
_REFERENCE = re.compile(r"\$\{([\w.]+)\}")


class Command(NamedTuple):
    """A stage as dvc.yaml has it, without parameters."""

    text: str
    deps: list[str]
    outs: list[str]


def read_commands(root: Path) -> dict[str, Command]:
    """Return every stage of dvc.yaml, by DVC's name for it.

    Raises:
        ValueError: If a file is missing or a `${...}` names no parameter.
    """
    params = read_yaml(root / "params.yaml")
    commands = {}
    for group, body in read_yaml(root / "dvc.yaml")["stages"].items():
        for name, scope, content in _instances(group, body, params):
            outs = [out if isinstance(out, str) else next(iter(out)) for out in content["outs"]]
            outs += [next(iter(metric)) for metric in content.get("metrics", [])]
            commands[name] = Command(
                text=_fill(content["cmd"], scope),
                deps=[_fill(dep, scope) for dep in content["deps"]],
                outs=[_fill(out, scope) for out in outs],
            )
    return commands


def _instances(
    group: str, body: Mapping[str, Any], params: Mapping[str, Any]
) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Yield name, what `${...}` refers to, and content of the stages of a group."""
    if "matrix" in body:
        [(axis, values)] = body["matrix"].items()
        for key in _look_up(values, params):
            yield f"{group}@{key}", {**params, "item": {axis: key}}, body
    elif "foreach" in body:
        for key, item in _look_up(body["foreach"], params).items():
            yield f"{group}@{key}", {**params, "key": key, "item": item}, body["do"]
    else:
        yield group, params, body


def _look_up(value: Any, scope: Mapping[str, Any]) -> Any:
    """Return what a lone `${NAME}` stands for; anything else as it is."""
    reference = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
    if reference is None:
        return value
    for part in reference[1].split("."):
        if part not in scope:
            raise ValueError(f"dvc.yaml: {value}: params.yaml has no '{part}'")
        scope = scope[part]
    return scope


def _fill(text: str, scope: Mapping[str, Any]) -> str:
    return _REFERENCE.sub(lambda reference: str(_look_up(reference[0], scope)), text)


def pending(
    root: Path, commands: Mapping[str, Command], groups: Iterable[str], chosen: str = "*"
) -> dict[str, Stage]:
    """Return the stages of some groups that lack an output, those of one run side by side.

    Runs are those whose names match `chosen`, a pattern as in a shell.

    Raises:
        ValueError: If there is no such group.
    """
    known = list(dict.fromkeys(name.partition("@")[0] for name in commands))
    if unknown := sorted(set(groups) - set(known)):
        raise ValueError(f"dvc.yaml has no stage {unknown[0]}; its stages: {', '.join(known)}")
    runs = list(read_yaml(root / "params.yaml")["runs"])
    places = {
        name: runs.index(run) if run in runs else -1
        for name, command in commands.items()
        if name.partition("@")[0] in groups
        and ((run := name.partition("@")[2]) not in runs or fnmatch(run, chosen))
        and not all(_is_there(root / out) for out in command.outs)
    }
    return {
        name: Stage(
            name=name,
            upstream=tuple(_upstream(name, commands)),
            reason="an output is missing",
            restorable=False,
            size=None,
            travels=False,
        )
        for name in sorted(places, key=places.__getitem__)
    }


def _is_there(out: Path) -> bool:
    """Return whether a stage has written its output; a folder that holds nothing is none."""
    return any(out.iterdir()) if out.is_dir() else out.exists()


def _upstream(name: str, commands: Mapping[str, Command]) -> list[str]:
    """Return the stages that write what a stage reads; lists of samples stand for all sets."""
    deps = [Path(dep) for dep in commands[name].deps]
    return [
        other
        for other, command in commands.items()
        if other != name
        and any(
            out == dep or out in dep.parents or dep in out.parents
            for out in map(Path, command.outs)
            for dep in deps
        )
    ]


def pack(root: Path, path: Path) -> int:
    """Write what the report needs of the finished runs to a .tar.gz; return the number of files."""
    files = sorted({file for glob in RESULTS for file in root.glob(glob) if file.is_file()})
    with tarfile.open(path, "w:gz") as archive:
        for file in files:
            archive.add(file, file.relative_to(root))
    return len(files)


def main() -> None:
    """Run what is missing; exit with 1 if a stage failed or the time was up."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=2, help="stages at a time")
    parser.add_argument("--until", type=float, help="seconds after which running stages are ended")
    parser.add_argument(
        "--keep", action="store_true", help="train and score in processes that stay"
    )
    parser.add_argument("--groups", nargs="+", default=GROUPS, help="stages of dvc.yaml to run")
    parser.add_argument("--runs", default="*", help="pattern of the runs' names, as in a shell")
    parser.add_argument("--results", type=Path, help=".tar.gz to write")
    args = parser.parse_args()
    root = Path.cwd()
    try:
        commands = read_commands(root)
        stages = pending(root, commands, args.groups, args.runs)
        slots = make_slots(args.jobs, [], 1)
    except ValueError as error:
        sys.exit(f"ERROR: {error}")
    timer = threading.Timer(args.until or 0, os.kill, [os.getpid(), signal.SIGTERM])
    timer.daemon = True
    if args.until is not None:
        timer.start()

    kept: dict[int, Kept] = {}

    def launch(stage: Stage, slot: Slot) -> Job:
        command = shlex.split(commands[stage.name].text)
        log = log_path(root, stage.name)
        if not args.keep or stage.name.partition("@")[0] not in KEPT_GROUPS:
            return LocalJob(command, log, slot.environment, root)
        if slot.number not in kept or kept[slot.number].process.poll() is not None:
            kept[slot.number] = Kept(slot.environment, root)
        return KeptJob(kept[slot.number], command, log)

    outcome = run_stages(stages, slots, launch)
    timer.cancel()  # it must not end the packing of results
    print(f"{len(outcome.done)} of {len(stages)} stages done")
    for name, log in outcome.failed.items():
        print(f"\n{name} failed; the end of {log}:\n{tail(log)}", file=sys.stderr)
    if args.results is not None:
        print(f"{args.results}: {pack(root, args.results)} files")
    if outcome.interrupted is not None:
        sys.exit(f"ended by signal {outcome.interrupted}; the same command resumes from here")
    sys.exit(1 if outcome.failed else 0)


if __name__ == "__main__":
    main()
