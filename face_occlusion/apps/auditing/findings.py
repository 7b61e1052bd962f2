"""What an audit leaves behind: a page to look through, a table, and masks to correct in LabelMe."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from face_occlusion.apps.viewing.pages import page_template
from face_occlusion.core.classes import FACE, IGNORED
from face_occlusion.core.images import encode_jpeg
from face_occlusion.core.imageset import ImageSet
from face_occlusion.core.imageset.writer import written_aside
from face_occlusion.core.outlines import labelme_content
from face_occlusion.reporting.pictures import coloured_errors, outlined, reduced

PAGE, TABLE, LABELME, PICTURES = "index.html", "audit.csv", "labelme", "pictures"
_SHOWN_PX = 640  # longer side of the page's pictures
_OUTLINE_RGB = (0, 200, 130)
_QUALITY = 88


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One mask's verdict.

    Attributes:
        rank: 1 for the most suspicious.
        key: The sample's.
        score: How wrong the mask seems, in [0, 1].
        probability: (S, S) float32 of face, as the network has it.
        disputed_frac: Share of the mask's face that the network takes for background.
    """

    rank: int
    key: str
    score: float
    probability: np.ndarray
    disputed_frac: float


def rank_masks(
    keys: Sequence[str], scores: np.ndarray, faces: np.ndarray, probability: np.ndarray
) -> list[Finding]:
    """Sort masks, the most suspicious first; equal scores by key.

    Args:
        keys: N keys.
        scores: (N,).
        faces: (N, S, S) uint8 share of face by the masks, 255 = all.
        probability: (N, S, S) float32 of face.
    """
    order = sorted(range(len(keys)), key=lambda place: (-scores[place], keys[place]))
    face = faces >= 128
    disputed = (face & (probability < 0.5)).sum(axis=(1, 2)) / np.maximum(face.sum(axis=(1, 2)), 1)
    return [
        Finding(
            rank=rank,
            key=keys[place],
            score=float(scores[place]),
            probability=probability[place],
            disputed_frac=float(disputed[place]),
        )
        for rank, place in enumerate(order, 1)
    ]


def write_findings(
    out: Path,
    image_set: ImageSet,
    part: str,
    findings: Sequence[Finding],
    num: int,
    how: str,
) -> None:
    """Write what was found to a new folder, aside and renamed.

    - `index.html`: the `num` most suspicious masks, which needs nothing but the files beside it;
    - `labelme/KEY.jpg` and `.json`: the same as a project of LabelMe; files that were corrected
      there go to the folder that `corrections.folder` names, in `labelme/`;
    - `audit.csv`: all masks, ranked; written last, so that files changed later are newer.

    Args:
        out: The folder.
        image_set: What was audited.
        part: Whose masks.
        findings: All of them, ranked.
        num: How many to show.
        how: In a sentence, for the page.

    Raises:
        ValueError: If the folder is in use or a sample cannot be read.
    """
    shown = findings[:num]
    with written_aside(out) as partial:
        for name in (LABELME, PICTURES):
            (partial / name).mkdir()
        for finding in tqdm(shown, desc="write", unit="face", mininterval=0.5):
            _write_sample(partial, image_set, part, finding)
        page = page_template("face_occlusion.apps.auditing", "audit.html").render(
            name=image_set.info["name"], part=part, shown=shown, total=len(findings), how=how
        )
        (partial / PAGE).write_text(page, encoding="utf-8")
        _write_table(partial / TABLE, findings, len(shown))


def _write_sample(out: Path, image_set: ImageSet, part: str, finding: Finding) -> None:
    """Write two pictures for the page, and image and outline for LabelMe."""
    key = finding.key
    image, seg_map = image_set.image(key), image_set.seg_map(key, part)
    (out / LABELME / f"{key}.jpg").write_bytes(image_set.read(key, "jpg"))
    content = labelme_content(f"{key}.jpg", (seg_map == FACE).astype(np.uint8))
    (out / LABELME / f"{key}.json").write_text(f"{json.dumps(content, indent=1)}\n")
    small = reduced(image, _SHOWN_PX)
    size = small.shape[1], small.shape[0]
    shown = cv2.resize(seg_map, size, interpolation=cv2.INTER_NEAREST)
    predicted = cv2.resize(finding.probability, size) >= 0.5
    target = np.where(shown == IGNORED, IGNORED, predicted).astype(np.uint8)
    pictures = {
        "mask": outlined(small, shown == FACE, _OUTLINE_RGB),
        "dispute": coloured_errors(small, shown == FACE, target),
    }
    for name, picture in pictures.items():
        (out / PICTURES / f"{key}.{name}.jpg").write_bytes(encode_jpeg(picture, _QUALITY))


def _write_table(path: Path, findings: Sequence[Finding], num_shown: int) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["rank", "key", "score", "disputed_frac", "shown"])
        for finding in findings:
            numbers = (f"{finding.score:.5f}", f"{finding.disputed_frac:.5f}")
            table.writerow([finding.rank, finding.key, *numbers, int(finding.rank <= num_shown)])
