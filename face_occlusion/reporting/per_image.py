"""Single images: their scores and predictions, which of them figures show, and these figures."""

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import numpy as np

from face_occlusion.core.imageset import ImageSet
from face_occlusion.evaluation.counting import decode_preview
from face_occlusion.evaluation.measures import MEASURES
from face_occlusion.reporting.cells import CellKey
from face_occlusion.reporting.figures import (
    COLUMNS,
    ERROR_LEGEND,
    TILE_PX,
    Colour,
    Drawn,
    Tile,
    picture_grid,
)
from face_occlusion.reporting.grid import Grid
from face_occlusion.reporting.pictures import coloured_errors, outlined, thumbnail, thumbnail_mask


def _predicted_mask(grid: Grid, cell: CellKey, key: str) -> np.ndarray | None:
    """Return a kept prediction as a reduced (h, w) bool mask; None if none was kept."""
    part = grid.first_part(cell)
    preview = None if part is None else dict(zip(part.keys, part.previews, strict=False)).get(key)
    return None if preview is None else decode_preview(preview)


def image_scores(grid: Grid, cell: CellKey, measure: str = "miou") -> dict[str, float]:
    """Return the score of each image of a cell by its key, fractions; empty for an empty cell."""
    for run, part in grid.parts(cell):  # the first seed's
        scores = MEASURES[measure].per_image(part.views[run.headline])
        return dict(zip(part.keys, scores.tolist(), strict=True))
    return {}


class Pick(NamedTuple):
    """An image and why it was picked."""

    key: str
    rule: str
    difference: float  # of the image's mIoU, first minus second combination, mean over models


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

    The difference is of the per-image mIoU, first minus second, averaged over the `models` (all if
    none are named) that have both scores; `among` are the keys to choose from, None for all.
    Returns `per_rule` picks for each of the three rules, best first, none twice.
    """
    differences = []
    for model in models or grid.axes.models:
        high, low = (image_scores(grid, CellKey(name, benchmark, model)) for name in pair)
        if high and low:
            differences.append({key: high[key] - low[key] for key in high})
    if not differences:
        return []
    keys = [key for key in differences[0] if among is None or key in among]
    mean = np.nan_to_num([[one[key] for key in keys] for one in differences]).mean(axis=0)
    order = np.argsort(-mean, kind="stable")
    middle = max(0, len(order) // 2 - per_rule // 2)
    chosen: dict[int, str] = {}
    for rule, indices in (
        ("best", order[:per_rule]),
        ("worst", order[::-1][:per_rule][::-1]),
        ("median", order[middle : middle + per_rule]),
    ):
        for index in indices:
            chosen.setdefault(int(index), rule)
    ordered = sorted(chosen, key=lambda index: -mean[index])
    return [Pick(keys[index], chosen[index], float(mean[index])) for index in ordered]


def most_changed(
    keys: Sequence[str], change: Callable[[str], float], number: int
) -> list[tuple[str, float]]:
    """Pick the keys with the largest change, largest first; those without any are left out."""
    changes = [(key, change(key)) for key in keys]
    return sorted((item for item in changes if item[1] > 0), key=lambda x: (-x[1], x[0]))[:number]


def pick_most_corrected(faces: ImageSet, number: int) -> list[tuple[str, float]]:
    """Pick the faces whose corrected mask differs most from the original (Fig 3), by the records.

    Returns (key, changed pixels as a share of the corrected face), largest first; faces whose masks
    are equal, or that have no face, are left out.
    """

    def share(key: str) -> float:
        record = faces.record(key)
        return record["changed_frac"] / record["face_frac"] if record["face_frac"] else 0.0

    return most_changed(faces.keys, share, number)


def wrong_labels(colour: Colour, faces: ImageSet) -> Drawn:
    """Show original against corrected masks (Fig 3), or say that none was corrected."""
    picks = pick_most_corrected(faces, COLUMNS)
    if not picks:
        return "no mask of an occluded face was corrected"
    rows: list[list[Tile]] = [[], [], []]
    for key, share in picks:
        image = thumbnail(faces.image(key), TILE_PX)
        rows[0].append(Tile(image=image))
        for row, part in ((1, "original.png"), (2, "png")):
            mask = thumbnail_mask(faces.seg_map(key, part) == 1, TILE_PX)
            caption = f"{key}: {100 * share:.0f} % changed" if row == 2 else ""
            rows[row].append(Tile(image=outlined(image, mask, colour, tint=0.3), caption=caption))
    return picture_grid(rows, row_titles=["Image", "Original mask", "Corrected mask"])


# The probe of transparent occluders (section 4.2, "Hard Occluders"): the paper's model and sets,
# and what file names call things that one sees through.
PROBE_MODEL = "segformer"
PROBE_COMBINATIONS = ("c_wo_natocc", "c_wo_randocc", "c_wo_mix")
TRANSPARENT_KINDS = ("clear_glasses", "eyeglasses", "glasses", "transparent", "visor")


def predictions(
    grid: Grid, image_set: ImageSet, picks: Sequence[Pick], cells: Sequence[CellKey], colour: Colour
) -> Drawn:
    """Draw a row for each image picked from a benchmark, a column for each run (Figs 11 to 13).

    The truth is outlined in `colour`. Returns the reason if there is no figure.
    """
    if not picks or not any(map(grid.parts, cells)):
        return "these runs have no scores on this benchmark"
    names = [grid.axes.combinations[cell.combination] for cell in cells]
    return picture_grid(
        [_prediction_row(grid, image_set, pick, cells, colour) for pick in picks],
        headings=["Image", "Truth", *(name.replace(" + ", " +\n") for name in names)],
        legend=ERROR_LEGEND,
        tile_inch=0.95,
    )


def transparent_probe(
    grid: Grid, image_set: ImageSet, benchmark: str, per_rule: int, colour: Colour
) -> Drawn:
    """Draw what the paper's three sets make of transparent occluders (Fig 10), or say why not."""
    kinds = {key: image_set.record(key).get("occluder_kind") for key in image_set.keys}
    among = {key for key, kind in kinds.items() if kind in TRANSPARENT_KINDS}
    if not among:
        return f"no image's name says that its occluder is one of {', '.join(TRANSPARENT_KINDS)}"
    shown = [name for name in PROBE_COMBINATIONS if name in grid.axes.combinations]
    if PROBE_MODEL not in grid.axes.models or len(shown) < 2:
        return f"the grid lacks {PROBE_MODEL} on {' and '.join(PROBE_COMBINATIONS)}"
    picks = pick_by_difference(
        grid, benchmark, (shown[-1], shown[0]), per_rule, models=[PROBE_MODEL], among=among
    )
    if not picks:
        return f"{grid.axes.models[PROBE_MODEL]} has no scores on these images"
    cells = [CellKey(name, benchmark, PROBE_MODEL) for name in shown]
    return predictions(grid, image_set, picks, cells, colour)


def _prediction_row(
    grid: Grid, image_set: ImageSet, pick: Pick, cells: Sequence[CellKey], colour: Colour
) -> list[Tile]:
    """Show an image, its truth and what several runs predict; grey where that was not kept."""
    image = thumbnail(image_set.image(pick.key), TILE_PX)
    target = image_set.seg_map(pick.key)
    truth = thumbnail_mask(target == 1, TILE_PX)
    reduced = np.where(thumbnail_mask(target == 255, TILE_PX), 255, truth).astype(np.uint8)
    tiles = [
        Tile(image=image, caption=f"{pick.rule} {signed(100 * pick.difference)}"),
        Tile(image=outlined(image, truth, colour)),
    ]
    for cell in cells:
        shown, caption = np.full_like(image, 200), "not kept"
        mask = _predicted_mask(grid, cell, pick.key)
        score = image_scores(grid, cell).get(pick.key)
        if mask is not None and score is not None:
            shown = coloured_errors(image, thumbnail_mask(mask, TILE_PX), reduced)
            caption = f"{100 * score:.1f}"
        tiles.append(Tile(image=shown, caption=caption))
    return tiles


def signed(value: float) -> str:
    """Write a difference with its sign, to one decimal; what rounds to nothing is +0.0."""
    return f"{round(value, 1) + 0.0:+.1f}".replace("-", "\N{MINUS SIGN}")
