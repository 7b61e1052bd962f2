"""The stages of the pipeline in order, and which of them are out of date.

`dvc repro --dry` and `dvc status` name the stages whose own inputs changed; the stages that follow
from those are added here. Nothing is locked or written, so this works while the pipeline runs.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from face_occlusion.apps.folders import name_few
from face_occlusion.core.files import errors_name
from face_occlusion.core.stage import profile_of

if TYPE_CHECKING:
    import networkx as nx
    from dvc.repo import Repo
    from dvc.stage import Stage as DvcStage

FOLLOWS = "follows "  # how a reason starts that lies in an earlier stage


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage and its state."""

    name: str  # as on DVC's command line, `train@pspnet_c_wo`
    upstream: tuple[str, ...]  # the stages whose outputs it reads
    reason: str | None  # why it would run, in a few words; None if it is up to date
    # Whether DVC's cache holds the outputs, so that nothing would be computed. Known only where no
    # upstream stage is stale.
    restorable: bool
    size: int | None  # bytes of its outputs when it last ran; None if never in this profile
    travels: bool  # whether DVC's run cache stores its results, so that another machine can run it

    @property
    def group(self) -> str:
        """The stage's name in dvc.yaml: `train`."""
        return self.name.partition("@")[0]


def read_pipeline(root: Path, targets: Iterable[str] = ()) -> dict[str, Stage]:
    """Read the stages in the order in which `dvc repro` runs them.

    Targets are stages, or groups of a `foreach` or `matrix`, and are read with everything they
    need; without targets all of dvc.yaml is read. No pipeline, or no such target, is a ValueError.
    """
    from dvc.exceptions import DvcException
    from dvc.logger import set_loggers_level
    from dvc.repo import Repo
    from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro

    readable = errors_name(f"{root}: DVC cannot read the pipeline", DvcException)
    # at its usual level DVC prints what it restores
    with readable, set_loggers_level(logging.ERROR), _params_read_once(), Repo(str(root)) as repo:
        graph = get_active_graph(repo.index.graph)
        wanted = collect_stages(repo, [*targets] or ["dvc.yaml"])
        order: list[DvcStage] = plan_repro(graph, wanted)
        stages: dict[str, Stage] = {}
        sized = _locked_profiles(repo) <= {profile_of(root)}
        for stage in order:
            upstream = read_stages(graph, stage)
            stages[stage.addressing] = _read_stage(repo, stage, upstream, stages, sized)
        return stages


@contextmanager
def _params_read_once() -> Iterator[None]:
    """Keep DVC from parsing params.yaml several times for every stage, half of its time."""
    from dvc.dependency import param

    load = param.load_path
    param.load_path = cache(load)
    try:
        yield
    finally:
        param.load_path = load


def _locked_profiles(repo: Repo) -> set[str]:
    """Return the profiles in which the stages of dvc.lock ran, as far as they read `profile`."""
    from dvc.dependency import ParamsDependency

    params = [dep for s in repo.index.stages for dep in s.deps if isinstance(dep, ParamsDependency)]
    locked: list[Any] = [dep.hash_info.value for dep in params]  # mappings, where DVC says str
    return {one["profile"] for one in locked if isinstance(one, dict) and "profile" in one}


def read_stages(graph: nx.DiGraph, stage: DvcStage) -> list[str]:
    """Return the stages whose outputs a stage reads, sorted.

    `combine` lists the samples of image sets: a stage that reads a list reads the sets as well.
    """
    needed = set(graph.successors(stage))
    for lists in [one for one in needed if one.addressing == "combine"]:
        needed |= set(graph.successors(lists))
    return sorted(one.addressing for one in needed)


def _read_stage(
    repo: Repo, stage: DvcStage, upstream: list[str], before: Mapping[str, Stage], sized: bool
) -> Stage:
    sizes = [out.meta.size for out in stage.outs if out.meta is not None and out.hash_info]
    late = [name for name in upstream if before[name].reason]
    reason = FOLLOWS + name_few(late, most=1) if late else _why_stale(stage)
    stored = [out.use_cache or out.is_metric or out.is_plot for out in stage.outs]
    return Stage(
        name=stage.addressing,
        upstream=tuple(upstream),
        reason=reason,
        restorable=bool(reason) and not late and _is_restorable(repo, stage),
        # What a stale stage made in another profile says nothing of its size in this one.
        size=sum(size or 0 for size in sizes) if sizes and (sized or not reason) else None,
        travels=bool(stored) and all(stored),
    )


def _why_stale(stage: DvcStage) -> str | None:
    """Return what `Stage.changed` finds, without its locks, which would wait for running stages."""
    if stage.changed_stage():
        return "its command changed, or it is new"
    if not stage.frozen:
        if stage.is_callback or stage.always_changed:
            return "always runs"
        states = [item for dep in stage.deps for item in dep.status().items()]
        named = [state if isinstance(state, dict) else [path] for path, state in states]
        if changed := [name for names in named for name in names]:
            return f"changed: {name_few(changed, most=2)}"
    if missing := [path for out in stage.outs for path in out.status()]:
        return f"not as recorded: {name_few(missing, most=2)}"
    return None


def _is_restorable(repo: Repo, stage: DvcStage) -> bool:
    """Tell whether DVC would check the outputs out of its cache; changes `stage` in memory only."""
    from dvc.stage.cache import RunCacheNotFoundError

    if stage.frozen or not all(dep.exists for dep in stage.deps):
        return False
    if not stage.deps_cached():  # otherwise dvc.lock names the right outputs
        stage.save_deps()
        forget_results(stage)
    try:
        repo.stage_cache.restore(stage, dry=True)
    except RunCacheNotFoundError:
        return False
    return True


def forget_results(stage: DvcStage) -> None:
    """Make DVC look for the outputs in its run cache, not in dvc.lock; in memory only."""
    from dvc_data.hashfile.hash_info import HashInfo

    for out in stage.outs:
        out.hash_info = HashInfo()
