"""Read EgoHands: frames of 48 videos, hands as polygons in MATLAB files.

Bambach, Lee, Crandall and Yu, "Lending a hand: detecting hands and recognizing activities in
complex egocentric interactions" (ICCV 2015). Each video's folder, named
ACTIVITY_PLACE_VIEWER_PARTNER, holds its frames and `polygons.mat`: for each frame, in the order
of the frames' names, the polygons `myleft`, `myright`, `yourleft` and `yourright`.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.io
from scipy.io.matlab import MatReadError

from face_occlusion.core.release import Release
from face_occlusion.core.segmentations import instance_mask

SIDES = ("myleft", "myright", "yourleft", "yourright")
_BAD_TABLE = (KeyError, IndexError, TypeError, ValueError, NotImplementedError)
MIN_AREA_PX = 4096  # a smaller hand, of a frame of 1280x720, is too coarse to be an occluder


@dataclass(frozen=True, kw_only=True)
class EgoHand:
    """One hand in a frame.

    Attributes:
        key: VIDEO_FRAME_SIDE.
        image: Name of the frame in the release.
        polygon: (N, 2) float (x, y); the first pixel's centre is (0.5, 0.5).
        about: Whose hand it is, doing what, and where.
    """

    key: str
    image: str
    polygon: np.ndarray
    about: dict[str, str]


def find_egohands(release: Release) -> list[EgoHand]:
    """Find the largest hand of each frame that has one of a fair size.

    Raises:
        ValueError: If there are no videos, a video has another number of frames than of
            polygons, or a file is no MATLAB file as EgoHands has them; names it.
    """
    found = []
    tables = release.glob("*_LABELLED_SAMPLES/*/polygons.mat")
    if not tables:
        raise ValueError(f"{release.folder}: no _LABELLED_SAMPLES/VIDEO/polygons.mat")
    for table in tables:
        folder = table.rpartition("/")[0]
        frames = release.glob(f"{folder}/*.jpg")
        rows = _read_polygons(release, table)
        if len(frames) != len(rows):
            raise ValueError(f"{table}: polygons of {len(rows)} frames, with {len(frames)} frames")
        for frame, polygons in zip(frames, rows, strict=True):
            side = max(polygons, key=lambda side: _area(polygons[side]))
            if _area(polygons[side]) >= MIN_AREA_PX:
                found.append(_hand(frame, side, polygons[side]))
    if not found:
        raise ValueError(f"{release.folder}: no frame with a hand of {MIN_AREA_PX} pixels")
    return found


def _hand(frame: str, side: str, polygon: np.ndarray) -> EgoHand:
    *_, video, name = frame.split("/")
    activity, place, viewer, partner = [*video.split("_"), "", "", "", ""][:4]
    person = viewer if side.startswith("my") else partner
    about = {"activity": activity, "place": place, "person": person, "side": side}
    key = f"{video}_{name.rpartition('.')[0]}_{side}"
    return EgoHand(key=key, image=frame, polygon=polygon, about=about)


def _read_polygons(release: Release, name: str) -> list[dict[str, np.ndarray]]:
    """Read a video's polygons: for each frame, side -> (N, 2), N = 0 where there is no hand."""
    try:
        table = scipy.io.loadmat(io.BytesIO(release.read(name)))["polygons"].ravel()
        return [{side: _polygon(row[side]) for side in SIDES} for row in table]
    except (*_BAD_TABLE, MatReadError) as error:
        raise ValueError(f"{name}: not as EgoHands has it: {error}") from error


def _polygon(cell: Any) -> np.ndarray:
    points = np.asarray(cell, dtype=float)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3:
        return np.zeros((0, 2))
    return points - 0.5  # MATLAB has the first pixel's centre at 1


def _area(polygon: np.ndarray) -> float:
    """Return a polygon's area (the shoelace formula)."""
    x, y = polygon.T
    return float(abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2)


def frame_mask(size: tuple[int, int], polygon: np.ndarray) -> np.ndarray:
    """Draw a hand; what lies beyond the frame is cut off.

    Args:
        size: (height, width) of the frame.
        polygon: As in `EgoHand`.

    Returns:
        (height, width) bool.
    """
    inside = np.clip(polygon, 0, [size[1], size[0]])
    return instance_mask([inside.ravel().tolist()], size)
