"""Hands of 11k Hands, HGR1 and EgoHands as cut-outs, with the direction of their fingers."""

import csv
import functools
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import scipy.io
from scipy.io.matlab import MatReadError

from face_occlusion.core.arithmetic import evenly_spaced
from face_occlusion.core.classes import instance_mask
from face_occlusion.core.files import errors_name
from face_occlusion.core.images import reduced
from face_occlusion.core.params import Meta, Natural, Share
from face_occlusion.core.release import Release
from face_occlusion.occluders.direction import find_pose
from face_occlusion.occluders.photographed import EdgeParams, Photographed, read_mask

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
_EGO_SIDES = ("myleft", "myright", "yourleft", "yourright")
_EGO_LEAST_PX = 4096  # area of a hand, of frames of 1280x720: smaller ones are too coarse
_BAD_TABLE = (KeyError, IndexError, TypeError, ValueError, NotImplementedError, MatReadError)


@dataclass(frozen=True, kw_only=True)
class HandsParams(EdgeParams):
    """Section `occluders.hands` of params.yaml; widths are in pixels of the photograph."""

    max_hands: Natural  # of sources without the authors' list, evenly spaced; 0 takes all
    max_side_px: Annotated[int, Meta(ge=8)]  # longer side of a cut-out, which is shrunk to it
    close_px: Annotated[int, Meta(ge=0, le=50)]  # cracks of the mask that are closed
    hole_frac: Share  # holes that are filled, as a share of the hand


def find_hands(release: Release, max_hands: int) -> list[Photographed]:
    """Find the hands of a release: 11k Hands with the authors' list of 200, HGR1 or EgoHands.

    Of a source without a list at most `max_hands` are taken, evenly spaced; 0 for all. A hand
    without photograph or mask is a ValueError.
    """
    if release.source not in FINDERS:
        raise ValueError(
            f"{release.folder}: source '{release.source}' has no hands; "
            f"expected one of {', '.join(FINDERS)}"
        )
    return FINDERS[release.source](release, max_hands)


def load_hand(
    hand: Photographed, *, release: Release, params: HandsParams
) -> tuple[str, dict[str, bytes]]:
    """Cut one hand out, as a sample of an image set; errors as `Photographed.cut_out`."""
    cutout, mask, whole = hand.cut_out(
        release, params, hole_frac=params.hole_frac, close_px=params.close_px
    )
    pose, full_side = find_pose(whole), max(cutout.shape[:2])
    cutout = reduced(cutout, params.max_side_px)
    return hand.sample(
        release,
        cutout,
        category="hand",
        scale=max(cutout.shape[:2]) / full_side,
        pointing_deg=round(pose.pointing_deg, 2),
        pointing_found_by=pose.found_by,
        enters=pose.enters,
        mask_changed_frac=float((mask != whole).sum() / np.count_nonzero(whole)),
    )


def _find_11k_hands(release: Release, max_hands: int) -> list[Photographed]:
    """Find the photograph and the mask of each hand in the authors' list of 200."""
    listing = release.find(f"*{SAMPLE_LIST}")
    images = release.by_stem("Hands/*.jpg", "Hands/*.png")
    masks = release.by_stem("11k-hands_masks/*.png", "11k-hands_masks/*.jpg")
    about = _hand_info(release)
    stems = {line.rpartition("/")[2].rpartition(".")[0] for line in release.lines(listing)}
    hands = []
    for stem in sorted(stems):
        for found, fault in (
            (images, "is not in Hands.zip"),
            (masks, "is not in 11k-hands_masks.7z"),
            (about, f"has no row in {HAND_INFO}"),
        ):
            if found is not None and stem not in found:
                raise ValueError(f"{release.folder / listing}: names hand '{stem}', which {fault}")
        mask = functools.partial(read_mask, name=masks[stem])
        known = about[stem] if about else {}
        hands.append(Photographed(key=stem, image=images[stem], mask=mask, about=known))
    return hands


def _hand_info(release: Release) -> dict[str, dict[str, str]] | None:
    """Read HandInfo.csv, where there is one: image stem -> what is known of the hand."""
    if not (names := release.glob(f"*{HAND_INFO}")):
        return None
    rows, fields = csv.DictReader(release.lines(names[0])), _INFO_FIELDS.items()
    if missing := {"imageName", *_INFO_FIELDS} - set(rows.fieldnames or ()):
        raise ValueError(f"{release.folder / names[0]}: no column {', '.join(sorted(missing))}")
    return {
        row["imageName"].rpartition(".")[0]: {field: row[column] for column, field in fields}
        for row in rows
    }


def _find_hgr1(release: Release, max_hands: int) -> list[Photographed]:
    """Find HGR1's hands (Kawulok et al. 2014): postures of 12 people, masks of the skin."""
    images = release.by_stem("hgr1*/img/*", "*original_images/*", "hgr1_images/*.jpg")
    masks = release.by_stem("hgr1*/mask/*", "*skin_masks/*", "hgr1_skin/*.bmp", "hgr1_skin/*.png")
    hands = []
    for stem in evenly_spaced(sorted(images), max_hands or len(images)):
        if stem not in masks:
            raise ValueError(f"{release.folder}: hand '{images[stem]}' has no mask")
        key, named = re.sub(r"[^0-9A-Za-z_-]+", "_", stem), _HGR1_NAME.fullmatch(stem)
        mask = functools.partial(_read_skin_mask, name=masks[stem])
        known = named.groupdict() if named else {}
        hands.append(Photographed(key=key, image=images[stem], mask=mask, about=known))
    return hands


def _read_skin_mask(release: Release, size: tuple[int, int], *, name: str) -> np.ndarray:
    """Read a mask in which skin may be black or white: most of the border is not skin."""
    mask = read_mask(release, size, name=name)
    border = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    return ~mask if border.mean() > 0.5 else mask


def _find_egohands(release: Release, max_hands: int) -> list[Photographed]:
    """Find the largest hand of each frame of EgoHands that has one of a fair size.

    Bambach, Lee, Crandall and Yu, "Lending a hand: detecting hands and recognizing activities
    in complex egocentric interactions" (ICCV 2015). Each of the 48 videos' folders, named
    ACTIVITY_PLACE_VIEWER_PARTNER, holds its frames and `polygons.mat`: for each frame, in the
    order of the frames' names, the polygons `myleft`, `myright`, `yourleft` and `yourright`.
    """
    tables = release.glob("*_LABELLED_SAMPLES/*/polygons.mat")
    if not tables:
        raise ValueError(f"{release.folder}: no _LABELLED_SAMPLES/VIDEO/polygons.mat")
    hands = []
    for table in tables:
        frames = release.glob(f"{table.rpartition('/')[0]}/*.jpg")
        rows = _read_polygons(release, table)
        if len(frames) != len(rows):
            raise ValueError(f"{table}: polygons of {len(rows)} frames, with {len(frames)} frames")
        for frame, polygons in zip(frames, rows, strict=True):
            side = max(polygons, key=lambda side: _area(polygons[side]))
            if _area(polygons[side]) >= _EGO_LEAST_PX:
                hands.append(_ego_hand(frame, side, polygons[side]))
    if not hands:
        raise ValueError(f"{release.folder}: no frame with a hand of {_EGO_LEAST_PX} pixels")
    return evenly_spaced(hands, max_hands or len(hands))


def _ego_hand(frame: str, side: str, polygon: np.ndarray) -> Photographed:
    *_, video, name = frame.split("/")
    activity, place, viewer, partner = [*video.split("_"), "", "", "", ""][:4]
    person = viewer if side.startswith("my") else partner
    return Photographed(
        key=f"{video}_{name.rpartition('.')[0]}_{side}",
        image=frame,
        mask=functools.partial(_frame_mask, polygon=polygon),
        about={"activity": activity, "place": place, "person": person, "side": side},
    )


def _read_polygons(release: Release, name: str) -> list[dict[str, np.ndarray]]:
    """Read a video's polygons: for each frame, side -> (N, 2), N = 0 where there is no hand."""
    with errors_name(f"{name}: not in EgoHands' format", *_BAD_TABLE):
        table = scipy.io.loadmat(io.BytesIO(release.read(name)))["polygons"].ravel()
        return [{side: _polygon(row[side]) for side in _EGO_SIDES} for row in table]


def _polygon(cell: Any) -> np.ndarray:
    """Return (N, 2) points (x, y); the first pixel's centre is (0.5, 0.5), MATLAB's (1, 1)."""
    points = np.asarray(cell, dtype=float)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3:
        return np.zeros((0, 2))
    return points - 0.5


def _area(polygon: np.ndarray) -> float:
    """Return a polygon's area (the shoelace formula)."""
    x, y = polygon.T
    return float(abs((x * np.roll(y, 1) - y * np.roll(x, 1)).sum()) / 2)


def _frame_mask(_: Release, size: tuple[int, int], *, polygon: np.ndarray) -> np.ndarray:
    """Paint a hand; what lies beyond the frame is cut off."""
    inside = np.clip(polygon, 0, [size[1], size[0]])
    return instance_mask([inside.ravel().tolist()], size)


FINDERS: dict[str, Callable[[Release, int], list[Photographed]]] = {
    "hands_11k": _find_11k_hands,
    "hgr1": _find_hgr1,
    "egohands": _find_egohands,
}
