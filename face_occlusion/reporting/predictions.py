"""Predictions kept in the score files, shown beside image and truth (Figs 11 to 13)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from face_occlusion.imageset import ImageSet
from face_occlusion.reporting.figures import TILE_PX, Colour, Tile
from face_occlusion.reporting.grid import Grid
from face_occlusion.reporting.kept import image_scores, predicted_mask
from face_occlusion.reporting.paper import Place
from face_occlusion.reporting.picks import Pick
from face_occlusion.reporting.pictures import (
    coloured_errors,
    outlined,
    thumbnail,
    thumbnail_mask,
)


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
            Tile(image=image, caption=f"{pick.rule} {100 * pick.difference:+.1f}"),
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
