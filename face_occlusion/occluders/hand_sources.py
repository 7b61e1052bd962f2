"""Where hands come from: 11k Hands, HGR1 and EgoHands."""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from face_occlusion.core.classes import FACE
from face_occlusion.core.images import decode_mask, to_seg_map
from face_occlusion.core.release import Release
from face_occlusion.occluders.egohands import find_egohands, frame_mask

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
_HGR1_NAME = re.compile(r"(?P<posture>[^_]+)_P_hgr1_id(?P<person>\d+)_\d+")


@dataclass(frozen=True, kw_only=True)
class Hand:
    """One hand in a release.

    Attributes:
        key: Its key in image sets.
        image: Name of its photograph.
        mask: (release, photograph's height and width) -> (H, W) bool; picklable.
        about: What is known of it.
    """

    key: str
    image: str
    mask: Callable[[Release, tuple[int, int]], np.ndarray]
    about: dict[str, str]


def find_hands(release: Release, max_hands: int) -> list[Hand]:
    """Find the hands of a release, by its source.

    Args:
        release: 11k Hands with the authors' list of 200, HGR1 or EgoHands.
        max_hands: The most that are taken of a source without a list, spread evenly; 0 for all.

    Raises:
        ValueError: If the source has no hands, or a hand lacks its photograph or mask.
    """
    if release.source not in FINDERS:
        raise ValueError(
            f"{release.folder}: source '{release.source}' has no hands; "
            f"expected one of {', '.join(FINDERS)}"
        )
    return FINDERS[release.source](release, max_hands)


Item = TypeVar("Item")


def _spread(items: Sequence[Item], most: int) -> list[Item]:
    """Return at most `most` items (0: all), spread evenly, the first and the last included."""
    if not most or len(items) <= most:
        return list(items)
    return [items[place] for place in np.rint(np.linspace(0, len(items) - 1, most)).astype(int)]


def _read_mask(release: Release, _: tuple[int, int], *, name: str) -> np.ndarray:
    return to_seg_map(decode_mask(release.read(name), name), name) == FACE


def _find_11k_hands(release: Release, max_hands: int) -> list[Hand]:
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
            Hand(
                key=stem,
                image=images[stem],
                mask=functools.partial(_read_mask, name=masks[stem]),
                about=about[stem] if about else {},
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


def _find_hgr1(release: Release, max_hands: int) -> list[Hand]:
    """Find HGR1's hands (Kawulok et al. 2014): postures of 12 people, masks of the skin."""
    images = release.by_stem("hgr1*/img/*", "*original_images/*", "hgr1_images/*.jpg")
    masks = release.by_stem("hgr1*/mask/*", "*skin_masks/*", "hgr1_skin/*.bmp", "hgr1_skin/*.png")
    hands = []
    for stem in _spread(sorted(images), max_hands):
        if stem not in masks:
            raise ValueError(f"{release.folder}: hand '{images[stem]}' has no mask")
        named = _HGR1_NAME.fullmatch(stem)
        hands.append(
            Hand(
                key=re.sub(r"[^0-9A-Za-z_-]+", "_", stem),
                image=images[stem],
                mask=functools.partial(read_skin_mask, name=masks[stem]),
                about=named.groupdict() if named else {},
            )
        )
    return hands


def read_skin_mask(release: Release, size: tuple[int, int], *, name: str) -> np.ndarray:
    """Read a skin mask whose skin may be black or white: skin is what keeps off the border.

    Returns:
        (H, W) bool.
    """
    mask = _read_mask(release, size, name=name)
    border = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    return ~mask if border.mean() > 0.5 else mask


def _frame_mask(_: Release, size: tuple[int, int], *, polygon: np.ndarray) -> np.ndarray:
    return frame_mask(size, polygon)


def _find_egohands(release: Release, max_hands: int) -> list[Hand]:
    """Find EgoHands' hands (Bambach et al. 2015): the largest of each frame."""
    return [
        Hand(
            key=frame.key,
            image=frame.image,
            mask=functools.partial(_frame_mask, polygon=frame.polygon),
            about=frame.about,
        )
        for frame in _spread(find_egohands(release), max_hands)
    ]


FINDERS: dict[str, Callable[[Release, int], list[Hand]]] = {
    "hands_11k": _find_11k_hands,
    "hgr1": _find_hgr1,
    "egohands": _find_egohands,
}
