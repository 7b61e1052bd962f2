"""Figures of image sets: sample sheets, corrected labels, alignment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from face_occlusion.core.imageset import ImageSet
from face_occlusion.reporting.figures import TILE_PX, Colour, Tile, in_rows, picture_grid
from face_occlusion.reporting.picks import spread
from face_occlusion.reporting.pictures import outlined, thumbnail, thumbnail_mask, with_square

COLUMNS = 6


def sample_sheet(image_set: ImageSet, number: int, colour: Colour) -> Figure:
    """Show samples evenly spread over a set, each beside itself with its mask (Figs 14 to 19)."""
    tiles = []
    for key in spread(image_set.keys, number):
        image = thumbnail(image_set.image(key), TILE_PX)
        mask = thumbnail_mask(image_set.seg_map(key) == 1, TILE_PX)
        tiles += [
            Tile(image=image, caption=_brief(image_set, key)),
            Tile(image=outlined(image, mask, colour)),
        ]
    return picture_grid(in_rows(tiles, COLUMNS))


def _brief(image_set: ImageSet, key: str) -> str:
    """Name a sample: its key, cut where it is long, and how much of the face is covered."""
    name = key if len(key) <= 22 else f"{key[:21]}…"
    covered = image_set.record(key).get("covered_frac") if "json" in image_set.parts(key) else None
    return name if covered is None else f"{name}: {100 * covered:.0f} % covered"


def wrong_labels(faces: ImageSet, picks: Sequence[tuple[str, float]], colour: Colour) -> Figure:
    """Show original against corrected masks (Fig 3)."""
    rows: list[list[Tile]] = [[], [], []]
    for key, share in picks:
        image = thumbnail(faces.image(key), TILE_PX)
        rows[0].append(Tile(image=image))
        for row, part in ((1, "original.png"), (2, "png")):
            mask = thumbnail_mask(faces.seg_map(key, part) == 1, TILE_PX)
            caption = f"{key}: {100 * share:.0f} % changed" if row == 2 else ""
            rows[row].append(Tile(image=outlined(image, mask, colour, tint=0.3), caption=caption))
    return picture_grid(rows, row_titles=["Image", "Original mask", "Corrected mask"])


def find_aligned(benchmarks: Mapping[str, ImageSet]) -> tuple[ImageSet, ImageSet] | None:
    """Find a benchmark that was aligned, and the same images as they were released.

    Returns:
        (released, aligned), or None if there is no such pair with images.
    """
    for aligned in benchmarks.values():
        if aligned.info.get("align") != "ffhq" or not len(aligned):
            continue
        for released in benchmarks.values():
            same_source = released.info["sources"] == aligned.info["sources"]
            if same_source and released.info.get("align") == "none" and len(released):
                return released, aligned
    return None


def alignment(released: ImageSet, aligned: ImageSet, colour: Colour) -> Figure:
    """Show images before and after alignment, with landmarks and the square cut out (Fig 5)."""
    there = set(released.keys)
    keys = spread([key for key in aligned.keys if key in there], COLUMNS)
    rows: list[list[Tile]] = [[], []]
    for key in keys:
        record, image = aligned.record(key), released.image(key)
        scale = np.array(image.shape[1::-1]) / record["release_size"][::-1]
        square = np.array(record["square"]) * scale
        square[0] += scale / 2 - 0.5  # the first pixel's centre is (0, 0) at every size
        points = (np.array(record["points"]) + 0.5) * scale - 0.5
        rows[0].append(Tile(image=thumbnail(with_square(image, square, points, colour), TILE_PX)))
        rows[1].append(Tile(image=thumbnail(aligned.image(key), TILE_PX), caption=key))
    return picture_grid(rows, row_titles=["As released", "Aligned"])
