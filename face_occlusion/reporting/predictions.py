"""Predictions kept in the score files, beside image and truth (Figs 10 to 13)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from face_occlusion.core.imageset import ImageSet
from face_occlusion.reporting.figures import ERROR_LEGEND, TILE_PX, Colour, Tile, picture_grid
from face_occlusion.reporting.grid import Grid
from face_occlusion.reporting.kept import image_scores, predicted_mask
from face_occlusion.reporting.paper import Place
from face_occlusion.reporting.picks import Pick, pick_by_difference
from face_occlusion.reporting.pictures import coloured_errors, outlined, thumbnail, thumbnail_mask

# The probe of transparent occluders (section 4.2, "Hard Occluders"): the paper's model and sets,
# and what file names call things that one sees through.
PROBE_MODEL = "segformer"
PROBE_COMBINATIONS = ("c_wo_natocc", "c_wo_randocc", "c_wo_mix")
TRANSPARENT_KINDS = ("clear_glasses", "eyeglasses", "glasses", "transparent", "visor")


def predictions(
    grid: Grid,
    image_set: ImageSet,
    picks: Sequence[Pick],
    places: Sequence[Place],
    colour: Colour,
) -> Figure | str:
    """Draw the predictions of several runs for picked images (Figs 11 to 13).

    Args: as `prediction_rows`.

    Returns:
        The figure, or the reason why there is none.
    """
    if not picks or all(grid.view(place) is None for place in places):
        return "these runs have no scores on this benchmark"
    names = [grid.axes.combinations[place.combination] for place in places]
    return picture_grid(
        prediction_rows(grid, image_set, picks, places, colour),
        headings=["Image", "Truth", *(name.replace(" + ", " +\n") for name in names)],
        legend=ERROR_LEGEND,
        tile_inch=0.95,
    )


def transparent_probe(
    grid: Grid, image_set: ImageSet, benchmark: str, per_rule: int, colour: Colour
) -> Figure | str:
    """Draw what the paper's three sets make of transparent occluders (Fig 10).

    Returns:
        The figure, or the reason why there is none.
    """
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
    places = [Place(name, benchmark, PROBE_MODEL) for name in shown]
    return predictions(grid, image_set, picks, places, colour)


def prediction_rows(
    grid: Grid,
    image_set: ImageSet,
    picks: Sequence[Pick],
    places: Sequence[Place],
    colour: Colour,
) -> list[list[Tile]]:
    """Build rows of image, truth and the predictions of several runs.

    Args:
        grid: All results.
        image_set: The benchmark.
        picks: Its images, one row each.
        places: The runs, one column each, all on that benchmark.
        colour: Of the truth's outline.

    Returns:
        Per pick 2 + len(places) tiles; a prediction that was not kept is a grey tile that says so.
    """
    rows = []
    for pick in picks:
        image = thumbnail(image_set.image(pick.key), TILE_PX)
        target = image_set.seg_map(pick.key)
        truth = thumbnail_mask(target == 1, TILE_PX)
        reduced = np.where(thumbnail_mask(target == 255, TILE_PX), 255, truth).astype(np.uint8)
        tiles = [
            Tile(image=image, caption=f"{pick.rule} {signed(100 * pick.difference)}"),
            Tile(image=outlined(image, truth, colour)),
        ]
        for place in places:
            mask = predicted_mask(grid, place, pick.key)
            score = image_scores(grid, place).get(pick.key)
            if mask is None or score is None:
                tiles.append(Tile(image=np.full_like(image, 200), caption="not kept"))
                continue
            pred = thumbnail_mask(mask, TILE_PX)
            tiles.append(
                Tile(image=coloured_errors(image, pred, reduced), caption=f"{100 * score:.1f}")
            )
        rows.append(tiles)
    return rows


def signed(value: float) -> str:
    """Write a difference with its sign, to one decimal; what rounds to nothing is +0.0."""
    return f"{round(value, 1) + 0.0:+.1f}".replace("-", "\N{MINUS SIGN}")
