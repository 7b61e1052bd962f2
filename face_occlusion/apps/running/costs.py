"""What the stale stages will cost, from what they and their like took when they last ran."""

from __future__ import annotations

import heapq
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from face_occlusion.apps.running.pipeline import Stage

Basis = Literal["recorded", "similar", "restored", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one stale stage will cost.

    Attributes:
        stage: The stage.
        seconds: How long its command will take; None if neither it nor its like was timed.
        basis: Where `seconds` comes from: its own last time, the median of its group, the cache
            (0 s), or nowhere.
        size: Bytes of its outputs, its own last ones or the median of its group; None if unknown.
    """

    stage: Stage
    seconds: float | None
    basis: Basis
    size: int | None


def estimate(stages: Mapping[str, Stage], times: Mapping[str, float]) -> dict[str, Cost]:
    """Estimate the cost of every stale stage.

    Args:
        stages: All stages; see `read_pipeline`.
        times: Seconds of each stage that was timed; see `read_times`.

    Returns:
        The stale stages' costs, in the order of `stages`.
    """
    timed: dict[str, list[float]] = {}
    for name, seconds in times.items():
        timed.setdefault(name.partition("@")[0], []).append(seconds)
    sized: dict[str, list[int]] = {}
    for stage in stages.values():
        if stage.size is not None:
            sized.setdefault(stage.group, []).append(stage.size)
    costs = {}
    for name, stage in stages.items():
        if stage.stale:
            seconds, basis = _time(stage, times, timed)
            size = stage.size
            if size is None and stage.group in sized:
                size = round(statistics.median(sized[stage.group]))
            costs[name] = Cost(stage=stage, seconds=seconds, basis=basis, size=size)
    return costs


def _time(
    stage: Stage, times: Mapping[str, float], timed: Mapping[str, list[float]]
) -> tuple[float | None, Basis]:
    if stage.restorable:
        return 0.0, "restored"
    if stage.name in times:
        return times[stage.name], "recorded"
    if stage.group in timed:
        return statistics.median(timed[stage.group]), "similar"
    return None, "unknown"


def by_urgency(costs: Mapping[str, Cost]) -> list[str]:
    """Order stages by the time from their start to the pipeline's end, longest first.

    With as many jobs as one likes this is when the last stage would end; with few it keeps a long
    branch from starting last. Stages of unknown time count as a second, and ties keep their order.
    """
    remaining: dict[str, float] = dict.fromkeys(costs, 0.0)
    for name in reversed(list(costs)):  # those that depend on it come first here
        seconds = costs[name].seconds
        remaining[name] += 1.0 if seconds is None else seconds
        for before in costs[name].stage.upstream:
            if before in remaining:
                remaining[before] = max(remaining[before], remaining[name])
    return sorted(costs, key=lambda name: -remaining[name])


def elapsed(costs: Mapping[str, Cost], jobs: int) -> float:
    """Return the seconds until all stages have run, `jobs` at once, as `run_stages` starts them.

    Stages of unknown time count as nothing, and jobs are taken not to slow each other down.
    """
    waiting = by_urgency(costs)
    running: list[tuple[float, str]] = []
    done: set[str] = set()
    now = 0.0
    while waiting or running:
        ready = [n for n in waiting if done.issuperset(costs.keys() & costs[n].stage.upstream)]
        for name in ready[: jobs - len(running)]:
            waiting.remove(name)
            heapq.heappush(running, (now + (costs[name].seconds or 0.0), name))
        now, ended = heapq.heappop(running)
        done.add(ended)
    return now
