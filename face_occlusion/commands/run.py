"""`face-occlusion run`: the pipeline's stale stages side by side."""

from pathlib import Path
from typing import Annotated

import typer


def run(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[STAGE]...",
            help="stages or groups (train), with all before them (default: everything)",
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", help="stages at once (default: as the GPUs allow, else 1)"),
    ] = None,
    gpus: Annotated[
        str, typer.Option(help="GPUs to share out, as in CUDA_VISIBLE_DEVICES: 0,1,2,3")
    ] = "",
    gpus_per_job: Annotated[
        int, typer.Option(help="GPUs of each job; a training uses all of its own")
    ] = 1,
) -> None:
    """Run what `dvc repro` would, several stages at once.

    Each stage runs as `dvc repro --single-item STAGE` as soon as those before it are done, and what
    remains is what `dvc repro` leaves. A stage that fails stops only what depends on it. Each
    stage's output is in `.scratch/logs/STAGE.log`. Ctrl-C ends the running stages, and a second one
    kills them; the next run goes on from there. `face-occlusion plan` says beforehand what would
    run.

    Example: face-occlusion run --jobs 4 --gpus 0,1,2,3
    """
    from face_occlusion.running.run import run_pipeline
    from face_occlusion.running.slots import make_slots

    names = [name.strip() for name in gpus.split(",") if name.strip()]
    status = run_pipeline(Path.cwd(), targets or (), make_slots(jobs, names, gpus_per_job))
    if status:
        raise typer.Exit(status)
