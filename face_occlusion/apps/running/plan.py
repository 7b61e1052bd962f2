"""What `face-occlusion plan` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tabulate import tabulate

from face_occlusion.apps.running.costs import Cost, elapsed
from face_occlusion.apps.running.pipeline import Stage

_NOT_FOLLOWING = "follows "


def plan_text(stages: Mapping[str, Stage], costs: Mapping[str, Cost], jobs: int, each: bool) -> str:
    """Describe what would run, one row a group of stages, or one a stage.

    Args:
        stages: All stages.
        costs: Of those that are stale.
        jobs: How many would run at once.
        each: Whether every stage has a row.
    """
    if not costs:
        return f"all {len(stages)} stages are up to date"
    groups: dict[str, list[Cost]] = {}
    for name, cost in costs.items():
        groups.setdefault(name if each else cost.stage.group, []).append(cost)
    rows = [_row(name, members, stages) for name, members in groups.items()]
    heads = ["stage", "stale", "time", "from", "disk", "because"]
    table = tabulate(
        rows, heads, disable_numparse=True, colalign=("left", "right", "right", "left", "right")
    )
    return f"{table}\n\n{_summary(stages, costs, jobs)}"


def _row(name: str, costs: Sequence[Cost], stages: Mapping[str, Stage]) -> list[str]:
    siblings = sum(name in (stage.name, stage.group) for stage in stages.values())
    bases = sorted({cost.basis for cost in costs})
    reasons = [cost.stage.reason or "" for cost in costs]
    own = [reason for reason in reasons if not reason.startswith(_NOT_FOLLOWING)]
    return [
        name,
        f"{len(costs)} of {siblings}",
        _total_time(costs),
        ", ".join(bases),
        _total_size(costs),
        (own or reasons)[0],
    ]


def _total_time(costs: Sequence[Cost]) -> str:
    known = [cost.seconds for cost in costs if cost.seconds is not None]
    text = format_seconds(sum(known)) if known else "unknown"
    return text if len(known) in (0, len(costs)) else f"> {text}"


def _total_size(costs: Sequence[Cost]) -> str:
    known = [cost.size for cost in costs if cost.size is not None]
    text = format_bytes(sum(known)) if known else "unknown"
    return text if len(known) in (0, len(costs)) else f"> {text}"


def _summary(stages: Mapping[str, Stage], costs: Mapping[str, Cost], jobs: int) -> str:
    everything = list(costs.values())
    unknown = sum(cost.seconds is None for cost in everything)
    spread = ""
    if jobs > 1 and unknown < len(costs):
        least = "> " if unknown else ""
        spread = f", {least}{format_seconds(elapsed(costs, jobs))} with {jobs} jobs"
    lines = [
        f"{len(costs)} of {len(stages)} stages: {_total_time(everything)} one after another"
        f"{spread}; at most {_total_size(everything)} on disk"
    ]
    if any((cost.stage.reason or "").startswith(_NOT_FOLLOWING) for cost in everything):
        lines.append("what follows a stage that gives the same output as before will not run")
    if unknown:
        lines.append(f"{unknown} stages, and none like them, were never timed in this profile")
    return "\n".join(lines)


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


def format_seconds(seconds: float) -> str:
    """Write a duration to two places: `42 s`, `3 min 20 s`, `5 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def format_bytes(size: int) -> str:
    """Write a size: `320 kB`, `1.4 GB`."""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if value >= 10 or unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
