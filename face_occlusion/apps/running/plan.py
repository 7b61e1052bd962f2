"""What the stages that are out of date will cost, and how `face-occlusion plan` prints it."""

import functools
import heapq
import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tabulate import tabulate
from tqdm import tqdm

from face_occlusion.apps.running.pipeline import FOLLOWS, Stage

UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one stage will cost."""

    stage: Stage
    seconds: float | None  # run time of its command; None if none of its group was ever timed
    # Where `seconds` comes from: its own last run (recorded), the median of its group (similar),
    # the cache (restored, 0 s), or nowhere (unknown).
    basis: str
    size: int | None  # bytes of its last outputs, or the median of its group; None if unknown


def estimate(stages: Mapping[str, Stage], times: Mapping[str, float]) -> dict[str, Cost]:
    """Estimate the cost of every stage that is out of date, in the order of `stages`.

    `times` are the seconds of each stage that was timed; see `read_times`.
    """
    timed, sized = defaultdict(list), defaultdict(list)
    for name, seconds in times.items():
        timed[name.partition("@")[0]].append(seconds)
    for stage in stages.values():
        if stage.size is not None:
            sized[stage.group].append(stage.size)
    costs = {}
    for name, stage in stages.items():
        similar, sizes = timed[stage.group], sized[stage.group]
        seconds, basis = (statistics.median(similar), "similar") if similar else (None, UNKNOWN)
        if name in times:
            seconds, basis = times[name], "recorded"
        if stage.restorable:
            seconds, basis = 0.0, "restored"
        size = round(statistics.median(sizes)) if sizes and stage.size is None else stage.size
        if stage.reason:
            costs[name] = Cost(stage=stage, seconds=seconds, basis=basis, size=size)
    return costs


def by_urgency(costs: Mapping[str, Cost]) -> list[str]:
    """Order stages by the length of the longest chain of stages that starts with each.

    Starting the longest chain first keeps it from being the last to end. A stage of unknown time
    counts as one second, and stages with equal chains keep their order.
    """
    remaining: dict[str, float] = dict.fromkeys(costs, 0.0)
    for name in reversed(list(costs)):  # later stages first
        seconds = costs[name].seconds
        remaining[name] += 1.0 if seconds is None else seconds
        for before in costs[name].stage.upstream:
            if before in remaining:
                remaining[before] = max(remaining[before], remaining[name])
    return sorted(costs, key=lambda name: -remaining[name])


def elapsed(costs: Mapping[str, Cost], jobs: int) -> float:
    """Return the seconds until all stages have run, `jobs` at a time, started as by `run_stages`.

    Stages of unknown time count as 0 s, and jobs are assumed not to slow each other down.
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


def plan_text(stages: Mapping[str, Stage], costs: Mapping[str, Cost], jobs: int, each: bool) -> str:
    """Describe what would run with `jobs` at a time, one row per group of stages or per stage.

    `costs` are those of `estimate`.
    """
    if not costs:
        return f"all {len(stages)} stages are up to date"
    groups: dict[str, list[Cost]] = defaultdict(list)
    for name, cost in costs.items():
        groups[name if each else cost.stage.group].append(cost)
    rows = [_row(name, members, stages) for name, members in groups.items()]
    heads = ["stage", "stale", "time", "from", "disk", "because"]
    columns = ("left", "right", "right", "left", "right")
    table = tabulate(rows, heads, disable_numparse=True, colalign=columns)
    unknown = sum(cost.seconds is None for cost in costs.values())
    parallel = ""
    if jobs > 1 and unknown < len(costs):
        least = "> " if unknown else ""
        parallel = f", {least}{tqdm.format_interval(elapsed(costs, jobs))} with {jobs} jobs"
    seconds, size = _totals(list(costs.values()))
    took = f"time {UNKNOWN}" if seconds == UNKNOWN else f"{seconds} one after another{parallel}"
    room = f"at most {size} on disk" if size != UNKNOWN else f"size {UNKNOWN}"
    room = room.replace("at most >", "at least")
    lines = [f"{table}\n", f"{len(costs)} of {len(stages)} stages: {took}; {room}"]
    if any((cost.stage.reason or "").startswith(FOLLOWS) for cost in costs.values()):
        lines.append("a stage that follows another will not run if that one's output is unchanged")
    if unknown:
        lines.append(f"{unknown} stages, and none like them, were never timed in this profile")
    if any(cost.size is None for cost in costs.values()):
        lines.append("sizes are known of stages that dvc.lock holds in this profile")
    return "\n".join(lines)


def _row(name: str, costs: Sequence[Cost], stages: Mapping[str, Stage]) -> list[str]:
    siblings = sum(name in (stage.name, stage.group) for stage in stages.values())
    bases = ", ".join(sorted({cost.basis for cost in costs}))
    reasons = [cost.stage.reason or "" for cost in costs]
    own = [reason for reason in reasons if not reason.startswith(FOLLOWS)]
    seconds, size = _totals(costs)
    return [name, f"{len(costs)} of {siblings}", seconds, bases, size, (own or reasons)[0]]


def _totals(costs: Sequence[Cost]) -> tuple[str, str]:
    """Write the time and the size of all; "> " precedes a sum if some are unknown."""

    def total(values: Sequence[float | None], form: Callable[[float], str]) -> str:
        known = [value for value in values if value is not None]
        text = form(sum(known)) if known else UNKNOWN
        return text if len(known) in (0, len(values)) else f"> {text}"

    seconds, sizes = [cost.seconds for cost in costs], [cost.size for cost in costs]
    in_bytes = functools.partial(tqdm.format_sizeof, suffix="B")
    return total(seconds, tqdm.format_interval), total(sizes, in_bytes)


def plan_record(
    stages: Mapping[str, Stage], costs: Mapping[str, Cost], jobs: int
) -> dict[str, Any]:
    """Return the plan as plain values; times in seconds, sizes in bytes, None for unknown."""
    known = [cost.seconds for cost in costs.values() if cost.seconds is not None]
    return {
        "num_stages": len(stages),
        "num_stale": len(costs),
        "seconds_serial": sum(known),
        "seconds_elapsed": elapsed(costs, jobs),
        "jobs": jobs,
        "num_untimed": len(costs) - len(known),
        "bytes": sum(cost.size or 0 for cost in costs.values()),
        "stages": [
            {
                "name": name,
                "because": cost.stage.reason,
                "seconds": cost.seconds,
                "from": cost.basis,
                "bytes": cost.size,
            }
            for name, cost in costs.items()
        ],
    }
