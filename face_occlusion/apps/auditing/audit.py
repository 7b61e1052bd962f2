"""Audit the masks of an image set: judge, rank, and write what an annotator needs."""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from face_occlusion.apps.auditing.crossvalidation import AuditParams, cross_validate
from face_occlusion.apps.auditing.samples import Samples, load_samples
from face_occlusion.apps.pages import page_template
from face_occlusion.core.classes import FACE, IGNORED
from face_occlusion.core.files import atomic_folder
from face_occlusion.core.images import encode_jpeg
from face_occlusion.core.imageset import ImageSet
from face_occlusion.core.params import check_at_least
from face_occlusion.faces.labelme import labelme_content
from face_occlusion.reporting.pictures import coloured_errors, outlined, reduced

_SHOWN_PX = 640  # longer side of the page's pictures
_OUTLINE_RGB = (0, 200, 130)
_QUALITY = 88
_DEPTH_FRAC = 1 / 12  # of the side; pixels at least this far from the mask's edge count fully


@dataclass(frozen=True)
class Finding:
    """How one mask was judged."""

    rank: int  # 1 for the most suspicious
    key: str
    score: float  # how wrong the mask seems, in [0, 1]
    probability: np.ndarray  # (S, S) float32 probability of face by the network
    disputed_frac: float  # share of the mask's face that the network predicts as background


def audit_masks(
    folder: Path,
    out: Path,
    params: AuditParams,
    *,
    part: str = "png",
    references: Sequence[Path] = (),
    num: int = 100,
) -> list[Finding]:
    """Rank the masks of a set, the most suspicious first, and write them by `write_findings`.

    Of the set in `folder` the masks `part` are judged, `png` or `original.png`. `references` are
    sets of faces whose masks (`png`) are known to be good; `num` masks are shown.

    Raises:
        ValueError: If a set cannot be read or lacks the part, there are too few faces, `num` is
            less than 1, or `out` is in use.
    """
    check_at_least(1, num=num)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out}: not empty; name a new folder with --out")
    image_set = ImageSet(folder)
    audited = load_samples(image_set, part, params.side_px)
    trusted = [load_samples(ImageSet(path), "png", params.side_px) for path in references]
    probability = cross_validate(audited, trusted, params)
    findings = _rank(audited, probability)
    teachers = ["the other masks of the set"] if params.folds > 1 else []
    teachers += [f"the reference {path.name}" for path in references]
    how = (
        f"Judged by a small network at {params.side_px} pixels that was trained on "
        f"{', '.join(teachers)}, never on the same face. Score: the share of the mask's face "
        "that it disputes, where pixels far from the edge count more."
    )
    write_findings(out, image_set, part, findings, num, how)
    return findings


def _rank(samples: Samples, probability: np.ndarray) -> list[Finding]:
    scores = disputed_face(samples, probability)
    face = samples.faces >= 128
    disputed = (face & (probability < 0.5)).sum(axis=(1, 2)) / np.maximum(face.sum(axis=(1, 2)), 1)
    order = sorted(range(len(samples)), key=lambda i: (-scores[i], samples.keys[i]))
    return [
        Finding(rank, samples.keys[i], float(scores[i]), probability[i], float(disputed[i]))
        for rank, i in enumerate(order, 1)
    ]


def disputed_face(samples: Samples, probability: np.ndarray) -> np.ndarray:
    """Return the share of each mask's face that the network disputes; (N,) in [0, 1].

    A pixel counts less near the mask's edge, where networks and annotators differ without either
    being wrong. Pixels outside the mask do not count: the audit looks for pixels that are
    labelled face and are not. A mask without a face gets 1. `probability` is (N, S, S) of face.
    """
    full = _DEPTH_FRAC * samples.faces.shape[1]
    scores = np.ones(len(samples))
    for place, (face, predicted) in enumerate(zip(samples.faces >= 128, probability, strict=True)):
        framed = np.pad(face.astype(np.uint8), 1, mode="edge")  # the image's border is not an edge
        depth = cv2.distanceTransform(framed, cv2.DIST_L2, 5)[1:-1, 1:-1]
        weight = np.where(face, np.minimum(depth, full), 0)
        if weight.any():
            scores[place] = float((weight * (1 - predicted)).sum() / weight.sum())
    return scores


def write_findings(
    out: Path, image_set: ImageSet, part: str, findings: Sequence[Finding], num: int, how: str
) -> None:
    """Write the findings, ranked, to a new folder, atomically.

    - `index.html`: the `num` most suspicious masks, with pictures from the same folder;
    - `labelme/KEY.jpg` and `.json`: the same as a LabelMe project; copy files that you corrected
      to `labelme/` in the folder that `corrections.folder` names;
    - `audit.csv`: all masks, ranked; written last, so that files you edit later are newer.

    `part` names the masks that were judged, and `how` says how, in a sentence for the page.
    """
    shown = findings[:num]
    with atomic_folder(out) as partial:
        for name in ("labelme", "pictures"):
            (partial / name).mkdir()
        for finding in tqdm(shown, desc="write", unit="face", mininterval=0.5):
            _write_sample(partial, image_set, part, finding)
        page = page_template("audit.html").render(
            name=image_set.info["name"], part=part, shown=shown, total=len(findings), how=how
        )
        (partial / "index.html").write_text(page, encoding="utf-8")
        with (partial / "audit.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(["rank", "key", "score", "disputed_frac", "shown"])
            for one in findings:
                numbers = (f"{one.score:.5f}", f"{one.disputed_frac:.5f}")
                table.writerow([one.rank, one.key, *numbers, int(one.rank <= num)])


def _write_sample(out: Path, image_set: ImageSet, part: str, finding: Finding) -> None:
    """Write two pictures for the page, and image and outline for LabelMe."""
    key = finding.key
    image, seg_map = image_set.image(key), image_set.seg_map(key, part)
    (out / f"labelme/{key}.jpg").write_bytes(image_set.read(key, "jpg"))
    content = labelme_content(f"{key}.jpg", (seg_map == FACE).astype(np.uint8))
    (out / f"labelme/{key}.json").write_text(f"{json.dumps(content, indent=1)}\n")
    small = reduced(image, _SHOWN_PX)
    size = small.shape[1], small.shape[0]
    shown = cv2.resize(seg_map, size, interpolation=cv2.INTER_NEAREST)
    predicted = cv2.resize(finding.probability, size) >= 0.5
    target = np.where(shown == IGNORED, IGNORED, predicted).astype(np.uint8)
    mask = outlined(small, shown == FACE, _OUTLINE_RGB)
    (out / f"pictures/{key}.mask.jpg").write_bytes(encode_jpeg(mask, _QUALITY))
    dispute = coloured_errors(small, shown == FACE, target)
    (out / f"pictures/{key}.dispute.jpg").write_bytes(encode_jpeg(dispute, _QUALITY))
