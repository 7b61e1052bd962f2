"""What correcting changed in masks: pixels and overlap, face by face."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from face_occlusion.core.classes import FACE

CHANGES = "changes.csv"
COLUMNS: list[str] = [
    "key",
    "corrected_by",
    "changed_px",
    "iou_with_original",
    "changed_px_authors",
    "iou_with_authors",
]


def compare_masks(before: np.ndarray, after: np.ndarray, name: str) -> dict[str, object]:
    """Say how two masks of a face differ.

    Args:
        before: (H, W) uint8 class ids.
        after: Likewise.
        name: What `before` is called: `original`, or another.

    Returns:
        `changed_px` (`changed_px_NAME` for another): pixels whose class differs, and
        `iou_with_NAME`: overlap of the faces, 1 where neither has one.
    """
    both = np.count_nonzero((before == FACE) & (after == FACE))
    either = np.count_nonzero((before == FACE) | (after == FACE))
    suffix = "" if name == "original" else f"_{name}"
    return {
        f"changed_px{suffix}": np.count_nonzero(before != after),
        f"iou_with_{name}": both / either if either else 1.0,
    }


def summarise_changes(changes: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """Return what a set's info says of its corrections.

    Args:
        changes: Of each face, what `compare_masks` says, and `corrected_by`.
    """
    ious = [float(str(change["iou_with_original"])) for change in changes]
    return {
        "num_changed": sum(change["changed_px"] != 0 for change in changes),
        "changed_px": sum(int(str(change["changed_px"])) for change in changes),
        "mean_iou_with_original": float(np.mean(ious)) if ious else 1.0,
        "min_iou_with_original": min(ious, default=1.0),
        "corrected_by": dict(sorted(Counter(str(c["corrected_by"]) for c in changes).items())),
    }


def write_changes(path: Path, changes: Sequence[Mapping[str, object]]) -> None:
    """Write a table of the faces that correcting changed, or that were corrected by hand here.

    The largest change comes first.
    """
    told = [c for c in changes if c["changed_px"] != 0 or c["corrected_by"] != "authors"]
    told.sort(key=lambda change: (float(str(change["iou_with_original"])), str(change["key"])))
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        table.writeheader()
        table.writerows(told)
