"""`face-occlusion plan`: what would run, and what it costs."""

import json
from pathlib import Path
from typing import Annotated

import typer


def plan(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="STAGE",
            help="stages or groups (train), with all before them (default: everything)",
        ),
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="stages at once")] = 1,
    each: Annotated[bool, typer.Option("--each", help="a row for every stage")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON instead of a table")] = False,
) -> None:
    """Say what `dvc repro` or `face-occlusion run` would run, and what it costs. Changes nothing.

    Unlike `dvc repro --dry` it counts what follows from a stale stage, too. Times are those that
    the stages' commands took on this machine in this profile, whoever ran them; for a stage that
    never ran, the median of its like. DVC's own work comes on top, a second or two a stage. Sizes
    are those of the outputs in dvc.lock. What DVC has in its cache is restored in no time.

    Example: face-occlusion profile small && face-occlusion plan --jobs 2
    """
    from face_occlusion.apps.running.costs import estimate
    from face_occlusion.apps.running.pipeline import read_pipeline
    from face_occlusion.apps.running.plan import plan_record, plan_text
    from face_occlusion.core.timings import read_times

    stages = read_pipeline(Path.cwd(), targets or ())
    costs = estimate(stages, read_times(Path.cwd()))
    if as_json:
        typer.echo(json.dumps(plan_record(stages, costs, jobs), indent=2))
    else:
        typer.echo(plan_text(stages, costs, jobs, each))
