"""Hands of 11k Hands as cut-outs that know where their fingers point."""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from face_occlusion.classes import FACE
from face_occlusion.images import decode_image, decode_mask, encode_rgba, to_seg_map
from face_occlusion.imageset import ImageSet, encode_record, write_image_set
from face_occlusion.occluders.cutout import clean_mask, cut_out, shrink_cutout
from face_occlusion.occluders.direction import find_pose
from face_occlusion.parallel import ordered_map
from face_occlusion.sources import Release

SAMPLE_LIST = "11k-hands_sample.txt"
HAND_INFO = "HandInfo.csv"
_INFO_FIELDS = {  # column of HandInfo.csv -> name in the record
    "id": "person",
    "age": "age",
    "gender": "gender",
    "skinColor": "skin_colour",
    "accessories": "accessories",
    "nailPolish": "nail_polish",
    "aspectOfHand": "aspect",
}


@dataclass(frozen=True, kw_only=True)
class HandsParams:
    """Section `occluders.hands` of params.yaml."""

    max_side_px: int  # longer side of a cut-out, which is shrunk to it
    soft_px: float  # blur of the mask's edge, in pixels of the photograph
    edge_px: int  # edge whose colours come from farther inside, in pixels of the photograph
    close_px: int  # cracks of the mask that are closed, in pixels of the photograph
    hole_frac: float  # holes that are filled, as a share of the hand

    def __post_init__(self) -> None:
        if self.max_side_px < 8:
            raise ValueError(f"max_side_px: must be at least 8; got {self.max_side_px}")
        for name in ("soft_px", "edge_px", "close_px"):
            if not 0 <= (value := getattr(self, name)) <= 50:
                raise ValueError(f"{name}: must lie in 0-50; got {value}")
        if not 0 <= self.hole_frac <= 1:
            raise ValueError(f"hole_frac: must lie in [0, 1]; got {self.hole_frac}")


@dataclass(frozen=True, kw_only=True)
class HandFiles:
    """One hand's photograph and mask in the release, and what is known of it."""

    key: str
    image: str
    mask: str
    about: dict[str, str]


def find_hands(release: Release) -> list[HandFiles]:
    """Find the photograph and the mask of each hand in the authors' list of 200.

    Raises:
        ValueError: If the list names a hand without photograph, mask or, where there is a
            HandInfo.csv, row.
    """
    listing = release.find(f"*{SAMPLE_LIST}")
    images = release.by_stem("Hands/*.jpg", "Hands/*.png")
    masks = release.by_stem("11k-hands_masks/*.png", "11k-hands_masks/*.jpg")
    about = _hand_info(release)
    hands = []
    for stem in sorted(
        {line.rpartition("/")[2].rpartition(".")[0] for line in release.lines(listing)}
    ):
        for found, where in ((images, "Hands.zip"), (masks, "11k-hands_masks.7z")):
            if stem not in found:
                raise ValueError(
                    f"{release.folder / listing}: names hand '{stem}', which is not in {where}"
                )
        if about is not None and stem not in about:
            raise ValueError(
                f"{release.folder / listing}: names hand '{stem}', which has no row in {HAND_INFO}"
            )
        hands.append(
            HandFiles(
                key=stem, image=images[stem], mask=masks[stem], about=about[stem] if about else {}
            )
        )
    return hands


def _hand_info(release: Release) -> dict[str, dict[str, str]] | None:
    """Read HandInfo.csv where it is: image stem -> what is known of the hand."""
    if not (names := release.glob(f"*{HAND_INFO}")):
        return None
    rows = csv.DictReader(release.lines(names[0]))
    missing = {"imageName", *_INFO_FIELDS} - set(rows.fieldnames or ())
    if missing:
        raise ValueError(f"{release.folder / names[0]}: no column {', '.join(sorted(missing))}")
    return {
        row["imageName"].rpartition(".")[0]: {
            field: row[column] for column, field in _INFO_FIELDS.items()
        }
        for row in rows
    }


def load_hand(
    hand: HandFiles, *, release: Release, params: HandsParams
) -> tuple[str, dict[str, bytes]]:
    """Cut one hand out, as a sample of an image set.

    Returns:
        Its key, and the parts `rgba.png` and `json`.

    Raises:
        ValueError: If a file cannot be read, the mask has another size or is empty; names it.
    """
    image = decode_image(release.read(hand.image), hand.image)
    mask = to_seg_map(decode_mask(release.read(hand.mask), hand.mask), hand.mask) == FACE
    try:
        whole = clean_mask(mask, hole_frac=params.hole_frac, close_px=params.close_px)
        pose = find_pose(whole)
        cutout = cut_out(image, whole, soft_px=params.soft_px, edge_px=params.edge_px, own=mask)
    except ValueError as error:
        raise ValueError(f"{hand.mask}: {error}") from error
    full_side = max(cutout.shape[:2])
    cutout = shrink_cutout(cutout, params.max_side_px)
    record = {
        "category": "hand",
        "source": release.source,
        "name": hand.image.rpartition("/")[2],
        "size": list(cutout.shape[:2]),
        "scale": max(cutout.shape[:2]) / full_side,
        "pointing_deg": round(pose.pointing_deg, 2),
        "pointing_found_by": pose.found_by,
        "enters": pose.enters,
        "alpha_frac": float(cutout[..., 3].mean() / 255),
        "mask_changed_frac": float((mask != whole).sum() / np.count_nonzero(whole)),
        **hand.about,
    }
    return hand.key, {"rgba.png": encode_rgba(cutout), "json": encode_record(record)}


def import_hands(
    release: Release,
    folder: Path,
    params: HandsParams,
    *,
    samples_per_shard: int,
    workers: int | None = None,
) -> ImageSet:
    """Write the hands as an image set of cut-outs.

    Raises:
        ValueError: As `find_hands` and `load_hand`.
    """
    hands = find_hands(release)
    load = functools.partial(load_hand, release=release, params=params)
    samples: Iterator[tuple[str, dict[str, bytes]]] = ordered_map(
        load, hands, desc="occluders/hands", workers=workers
    )
    info = {"kind": "cutouts", "name": "hands", "sources": [release.source]}
    return write_image_set(folder, samples, info=info, samples_per_shard=samples_per_shard)
