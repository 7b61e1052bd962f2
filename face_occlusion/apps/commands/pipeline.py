"""Commands about the pipeline: what it would cost, running it, its profiles, its downloads."""

import json
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

Targets = Annotated[
    list[str] | None,
    Argument(
        metavar="STAGE",
        help="stages or groups of stages (train), with everything they need (default: all)",
    ),
]


def plan(
    targets: Targets = None,
    jobs: int = Option(1, "--jobs", "-j", min=1, help="stages that run at the same time"),
    each: bool = Option(False, "--each", help="one row per stage, not per group"),
    as_json: bool = Option(False, "--json", help="print JSON instead of a table"),
) -> None:
    """Show what `dvc repro` or `face-occlusion run` would run, with time and disk space.

    Nothing is changed. Unlike `dvc repro --dry`, this also counts the stages that depend on a
    stage that is out of date. Times are the medians of the last runs of each stage on this
    machine in this profile; a stage that never ran gets the median of its group. DVC adds a
    second or two per stage. Sizes are those of the outputs in dvc.lock, if it was written in this
    profile. Outputs that are in DVC's cache are restored in no time.

    Example: face-occlusion profile small && face-occlusion plan --jobs 2
    """
    from face_occlusion.apps.running.pipeline import read_pipeline
    from face_occlusion.apps.running.plan import estimate, plan_record, plan_text
    from face_occlusion.core.stage import read_times

    stages = read_pipeline(Path.cwd(), targets or ())
    costs = estimate(stages, read_times(Path.cwd()))
    if as_json:
        typer.echo(json.dumps(plan_record(stages, costs, jobs), indent=2))
    else:
        typer.echo(plan_text(stages, costs, jobs, each))


def run(
    targets: Targets = None,
    jobs: int | None = Option(
        None, "--jobs", "-j", help="stages at the same time (default: one per GPU share, else 1)"
    ),
    gpus: str = Option("", help="GPUs to use, as in CUDA_VISIBLE_DEVICES: 0,1,2,3"),
    gpus_per_job: int = Option(1, help="GPUs of each job; a training uses all GPUs of its job"),
    ray: str = Option("", help="address of a Ray cluster (auto, ray://HOST:10001) to run on"),
    remote: str = Option("", help="with --ray: DVC remote through which inputs and results travel"),
    ray_stages: str = Option("train,evaluate", help="with --ray: groups of stages to run there"),
    clone_from: str = Option("", help="with --ray: repository to clone there (default: origin)"),
    clones: str = Option(
        "~/.cache/face-occlusion/clones", help="with --ray: folder for the clones on each machine"
    ),
) -> None:
    """Run what `dvc repro` would run, several stages at the same time.

    Each stage runs as `dvc repro --single-item STAGE` as soon as the stages before it are done.
    The result is the same as that of `dvc repro`. When a stage fails, only the stages that
    depend on it are skipped. Each stage's output is in `.scratch/logs/STAGE.log`. Ctrl-C ends
    the running stages, a second Ctrl-C kills them; the next run resumes from there.
    `face-occlusion plan` says beforehand what would run.

    With --ray, trainings and evaluations run as Ray tasks, each in a clone of the repository on
    any machine with a free GPU. Inputs and results go through a DVC remote and its run cache, so
    the current commit must be in the repository that is cloned; params.yaml and dvc.lock are
    sent along. Install the package with the extra `ray` on every machine.

    Example: face-occlusion run --jobs 4 --gpus 0,1,2,3

    On a cluster: face-occlusion run --jobs 16 --ray auto --remote lab
    """
    from face_occlusion.apps.running.hosts import Hosts
    from face_occlusion.apps.running.jobs import make_slots, warn_of_missing
    from face_occlusion.apps.running.run import run_pipeline

    if bool(ray) != bool(remote):
        raise ValueError("--ray and --remote go together: machines exchange data through a remote")
    hosts = Hosts(
        address=ray,
        remote=remote,
        source=clone_from or None,
        groups=_split(ray_stages),
        gpus=gpus_per_job,
        clones=clones,
    )
    if gpus and not ray and (warning := warn_of_missing(_split(gpus))):
        typer.echo(warning, err=True)
    slots = make_slots(jobs, _split(gpus), gpus_per_job, on_cluster=bool(ray))
    status = run_pipeline(Path.cwd(), targets or (), slots, hosts if ray else None)
    if status:
        raise typer.Exit(status)


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


def profile(
    name: str = Argument(..., help="miniature, small, replication, paper or online"),
    force: bool = Option(False, "--force", help="replace a params.yaml that was edited by hand"),
) -> None:
    """Write the parameters of a profile to params.yaml.

    The pipeline is the same in every profile, only its parameters differ. `dvc repro` then
    builds what the profile needs; after switching back, DVC restores from its cache what was
    built before.

    Example: face-occlusion profile small && dvc repro
    """
    from face_occlusion.apps.profiles import switch

    changed = switch(Path("profiles"), name, Path("params.yaml"), force=force)
    typer.echo(f"params.yaml {'now holds' if changed else 'already held'} the profile '{name}'")


def fetch(
    sources: list[str] | None = Argument(
        None, metavar="SOURCE", help="keys of `sources` in params.yaml (default: all)"
    ),
    list_only: bool = Option(False, "--list", help="only list the files, download nothing"),
    check: bool = Option(False, "--check", help="also compare checksums of files that are there"),
    params: Path = Option(Path("params.yaml"), help="the parameter file"),
) -> None:
    """Download the files of the profile's releases into `download.archives_dir`.

    `dvc repro` downloads them too, one source at a time. This command downloads those of all
    sources at once and lists each file: whether it is there, whether its checksum is known, and
    how to get it. It ends with an error while a file is missing that the pipeline needs.

    Example: face-occlusion profile paper && face-occlusion fetch --list
    """
    from face_occlusion.core.params import load_params, read_section
    from face_occlusion.releases import gather

    names = list(read_section(params, "sources"))
    if unknown := sorted(set(sources or ()) - set(names)):
        raise ValueError(f"{params}: sources has no {unknown}; known: {', '.join(names)}")
    profile = {name: load_params(params, f"sources.{name}", gather.SourceParams) for name in names}
    chosen = {name: profile[name] for name in sources or names}
    archives = load_params(params, "download", gather.DownloadParams).archive_dir(profile)
    failures = {} if list_only else gather.fetch_missing(gather.survey(chosen, archives), archives)
    states = gather.survey(chosen, archives)
    refused = []
    for state in states:
        if wrong := gather.check_state(state, archives) if check else None:
            refused.append(state.file.name)
        typer.echo(gather.report_state(state, wrong, failures.get((state.source, state.file.name))))
    for name in chosen.keys() - {state.source for state in states}:
        typer.echo(f"{name}: nothing to fetch (origin: {chosen[name].origin})")
    if refused:
        raise ValueError(f"not the files that were published or first used: {', '.join(refused)}")
    needed = [state for state in states if state.needed]
    missing = [state.file.name for state in needed if state.path is None]
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(needed)} needed files are missing in "
            f"'{archives.archives_dir}' (download.archives_dir): {', '.join(missing)}"
        )


def sample(
    out: Path = Argument(..., help="new folder for the archives"),
    raw: Path = Option(Path("data/raw"), help="folder of the releases, as `download` writes it"),
    faces: int = Option(740, min=1, help="unoccluded faces to train on"),
    others: int = Option(
        200, min=1, help="images of everything else: test faces, hands, textures, ..."
    ),
    seed: int = Option(1, help="another seed samples other images"),
) -> None:
    """Sample a small folder of archives from the releases, as profile `small` reads it.

    The archives have the names and layouts of the public ones, and images keep their bytes. Set
    `download.archives_dir` in profiles/small.yaml to OUT. COFW and EgoHands are not sampled. The
    images keep their licences: CelebAMask-HQ and 11k Hands forbid passing them on.

    Example: make profile NAME=paper && dvc repro download && face-occlusion sample archives-small
    """
    from face_occlusion.apps.sampling import sample_releases

    taken = sample_releases(raw, out, num_faces=faces, num_others=others, seed=seed)
    typer.echo(f"{out}: " + ", ".join(f"{count} of {name}" for name, count in taken.items()))
