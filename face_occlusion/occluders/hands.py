"""Hands as cut-outs, with the direction in which their fingers point."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from face_occlusion.core.images import decode_image, encode_rgba
from face_occlusion.core.imageset import encode_record
from face_occlusion.core.params import Checked, Meta, Natural, Share
from face_occlusion.core.release import Release
from face_occlusion.cutouts import clean_mask, cut_out, shrink_cutout, size_and_alpha
from face_occlusion.occluders.direction import find_pose
from face_occlusion.occluders.hand_sources import Hand


@dataclass(frozen=True, kw_only=True)
class HandsParams(Checked):
    """Section `occluders.hands` of params.yaml; widths are in pixels of the photograph."""

    max_hands: Natural  # of sources without the authors' list, evenly spaced; 0 takes all
    max_side_px: Annotated[int, Meta(ge=8)]  # longer side of a cut-out, which is shrunk to it
    soft_px: Annotated[float, Meta(ge=0, le=50)]  # blur of the mask's edge
    edge_px: Annotated[int, Meta(ge=0, le=50)]  # edge whose colours come from farther inside
    close_px: Annotated[int, Meta(ge=0, le=50)]  # cracks of the mask that are closed
    hole_frac: Share  # holes that are filled, as a share of the hand


def load_hand(hand: Hand, *, release: Release, params: HandsParams) -> tuple[str, dict[str, bytes]]:
    """Cut one hand out, as a sample of an image set: its key, and the parts `rgba.png` and `json`.

    Raises:
        ValueError: If a file cannot be read, the mask has another size or is empty; names it.
    """
    image = decode_image(release.read(hand.image), hand.image)
    mask = hand.mask(release, image.shape[:2])
    try:
        whole = clean_mask(mask, hole_frac=params.hole_frac, close_px=params.close_px)
        pose = find_pose(whole)
        cutout = cut_out(image, whole, soft_px=params.soft_px, edge_px=params.edge_px, own=mask)
    except ValueError as error:
        raise ValueError(f"{hand.image}: its mask: {error}") from error
    full_side = max(cutout.shape[:2])
    cutout = shrink_cutout(cutout, params.max_side_px)
    record = {
        "category": "hand",
        "source": release.source,
        "name": hand.image.rpartition("/")[2],
        **size_and_alpha(cutout),
        "scale": max(cutout.shape[:2]) / full_side,
        "pointing_deg": round(pose.pointing_deg, 2),
        "pointing_found_by": pose.found_by,
        "enters": pose.enters,
        "mask_changed_frac": float((mask != whole).sum() / np.count_nonzero(whole)),
        **hand.about,
    }
    return hand.key, {"rgba.png": encode_rgba(cutout), "json": encode_record(record)}
