"""`face-occlusion run`: the pipeline's stale stages side by side."""

from pathlib import Path
from typing import Annotated

import typer


def run(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="STAGE",
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
    ray: Annotated[
        str, typer.Option(help="address of a Ray cluster (auto, ray://HOST:10001): use its GPUs")
    ] = "",
    remote: Annotated[
        str, typer.Option(help="with --ray: the DVC remote that inputs and results go through")
    ] = "",
    ray_stages: Annotated[
        str, typer.Option(help="with --ray: the groups that leave this machine")
    ] = "train,evaluate",
    clone_from: Annotated[
        str, typer.Option(help="with --ray: what to clone there (default: this clone's origin)")
    ] = "",
    clones: Annotated[
        str, typer.Option(help="with --ray: folder for the clones on each machine")
    ] = "~/.cache/face-occlusion/clones",
) -> None:
    """Run what `dvc repro` would, several stages at once.

    Each stage runs as `dvc repro --single-item STAGE` as soon as those before it are done, and what
    remains is what `dvc repro` leaves. A stage that fails stops only what depends on it. Each
    stage's output is in `.scratch/logs/STAGE.log`. Ctrl-C ends the running stages, and a second one
    kills them; the next run goes on from there. `face-occlusion plan` says beforehand what would
    run.

    With --ray, trainings and evaluations run as Ray tasks, each in a clone on whichever machine has
    a GPU free. What they read and write goes through a DVC remote and its run cache, so the commit
    must be where the clones come from; params.yaml and dvc.lock are sent along. Install the
    package, extra `ray` included, on every machine.

    Example: face-occlusion run --jobs 4 --gpus 0,1,2,3

    On a cluster: face-occlusion run --jobs 16 --ray auto --remote lab
    """
    from face_occlusion.apps.running.hosts import Hosts
    from face_occlusion.apps.running.run import run_pipeline
    from face_occlusion.apps.running.slots import make_slots

    if bool(ray) != bool(remote):
        raise ValueError("--ray and --remote belong together: machines exchange data by a remote")
    hosts = Hosts(
        address=ray,
        remote=remote,
        source=clone_from or None,
        groups=_split(ray_stages),
        gpus=gpus_per_job,
        clones=clones,
    )
    slots = make_slots(jobs, _split(gpus), gpus_per_job, elsewhere=bool(ray))
    status = run_pipeline(Path.cwd(), targets or (), slots, hosts if ray else None)
    if status:
        raise typer.Exit(status)


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]
