"""Which images a figure shows: picked by rule, never by hand."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from face_occlusion.core.imageset import ImageSet
from face_occlusion.reporting.grid import Grid
from face_occlusion.reporting.kept import image_scores
from face_occlusion.reporting.paper import Place


@dataclass(frozen=True, kw_only=True)
class Pick:
    """An image and why it was picked."""

    key: str
    rule: str
    difference: float  # of the image's mIoU, first less second combination, mean over models


def spread(keys: list[str], number: int) -> list[str]:
    """Pick `number` keys evenly spread over a set, all of them if there are fewer."""
    if len(keys) <= number:
        return list(keys)
    places = np.linspace(0, len(keys) - 1, number).round().astype(int)
    return [keys[place] for place in places]


def pick_by_difference(
    grid: Grid,
    benchmark: str,
    pair: tuple[str, str],
    per_rule: int,
    *,
    models: Sequence[str] = (),
    among: Collection[str] | None = None,
) -> list[Pick]:
    """Pick the images with the best, the median and the worst difference of two combinations.

    The difference is of the per-image mIoU, averaged over the models that have both scores.

    Args:
        grid: All results.
        benchmark: Whose images.
        pair: Two combinations: first less second.
        per_rule: Images for each of the three rules.
        models: The models to average over; all if empty.
        among: Keys to choose from; None for all.

    Returns:
        The picks, best first, none twice; no images if there are no scores.
    """
    differences = []
    for model in models or grid.axes.models:
        high, low = (image_scores(grid, Place(name, benchmark, model)) for name in pair)
        if high and low:
            differences.append({key: high[key] - low[key] for key in high})
    if not differences:
        return []
    keys = [key for key in differences[0] if among is None or key in among]
    mean = np.nan_to_num([[one[key] for key in keys] for one in differences]).mean(axis=0)
    order = np.argsort(-mean, kind="stable")
    middle = max(0, len(order) // 2 - per_rule // 2)
    chosen: dict[int, str] = {}
    for rule, places in (
        ("best", order[:per_rule]),
        ("worst", order[::-1][:per_rule][::-1]),
        ("median", order[middle : middle + per_rule]),
    ):
        for place in places:
            chosen.setdefault(int(place), rule)
    ordered = sorted(chosen, key=lambda place: -mean[place])
    return [
        Pick(key=keys[place], rule=chosen[place], difference=float(mean[place]))
        for place in ordered
    ]


def most_changed(
    keys: Sequence[str], change: Callable[[str], float], number: int
) -> list[tuple[str, float]]:
    """Pick the keys with the largest change, largest first; those without any are left out."""
    changes = [(key, change(key)) for key in keys]
    return sorted((item for item in changes if item[1] > 0), key=lambda x: (-x[1], x[0]))[:number]


def pick_most_corrected(faces: ImageSet, number: int) -> list[tuple[str, float]]:
    """Pick the faces whose corrected mask differs most from the original (Fig 3).

    Read off the records that the import wrote: no mask of thousands is decoded.

    Returns:
        (key, changed pixels as a share of the corrected face), largest first; faces whose masks
        are equal, or that have no face, are left out.
    """

    def share(key: str) -> float:
        record = faces.record(key)
        return record["changed_frac"] / record["face_frac"] if record["face_frac"] else 0.0

    return most_changed(faces.keys, share, number)


def count_corrected(faces: ImageSet) -> int:
    """Count the faces whose corrected mask is not the original one, byte for byte."""
    return sum(faces.read(key, "png") != faces.read(key, "original.png") for key in faces.keys)
