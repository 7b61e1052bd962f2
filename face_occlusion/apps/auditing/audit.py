"""Audit the masks of an image set: judge, rank, and write what an annotator needs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from tqdm import tqdm

from face_occlusion.apps.auditing.crossvalidation import (
    AuditParams,
    Samples,
    cross_validate,
    load_samples,
)
from face_occlusion.apps.pages import PageFace, correction_page, write_runs
from face_occlusion.core.classes import FACE
from face_occlusion.core.files import atomic_folder, check_unused
from face_occlusion.core.images import encode_jpeg, reduced
from face_occlusion.core.imageset import ImageSet
from face_occlusion.evaluation.regions import boundary_counts, boundary_iou
from face_occlusion.faces.labelme import labelme_content
from face_occlusion.reporting.pictures import outlined

_THUMB_PX = 112  # longer side
_OUTLINE_RGB = (0, 200, 130)
_QUALITY = 88
_ORDERS = {  # of the page: title, and whether the highest comes first
    "suspicion": ("suspicion", True),
    "boundary": ("boundary IoU with the network, lowest first", False),
}
_DEPTH_FRAC = 1 / 12  # of the side; pixels at least this far from the mask's edge count fully


@dataclass(frozen=True)
class Finding:
    """How one mask was judged."""

    rank: int  # 1 for the most suspicious
    key: str
    score: float  # how wrong the mask seems, in [0, 1]
    probability: np.ndarray  # (S, S) float32 probability of face by the network
    disputed_frac: float  # share of the mask's face that the network predicts as background
    boundary_iou: float  # of mask and prediction at the network's size, NaN without a boundary


def audit_masks(
    folder: Path,
    out: Path,
    params: AuditParams,
    *,
    part: str = "png",
    references: Sequence[Path] = (),
    num: int = 100,
) -> list[Finding]:
    """Rank the masks `part` of a set, the most suspicious first, and write them, `num` as pictures.

    `references` are sets of faces whose masks (`png`) are known to be good. It is a ValueError if a
    set cannot be read or lacks the part, there are too few faces, or `out` is in use.
    """
    check_unused(out)  # before minutes of training
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
    face, predicted = samples.faces >= 128, probability >= 0.5
    disputed = (face & ~predicted).sum(axis=(1, 2)) / np.maximum(face.sum(axis=(1, 2)), 1)
    counts = map(boundary_counts, predicted, face.astype(np.uint8))
    numbers = list(zip(disputed.tolist(), map(float, map(boundary_iou, counts)), strict=True))
    order = sorted(range(len(samples)), key=lambda i: (-scores[i], samples.keys[i]))
    return [
        Finding(rank, samples.keys[i], float(scores[i]), probability[i], *numbers[i])
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
    """Write the findings, ranked, to a new folder, atomically; `how` is a sentence.

    - `index.html`: the `num` most suspicious masks, to be corrected; needs no other folder;
    - `labelme/KEY.jpg` and `.json`: the same as a LabelMe project; copy files that you corrected
      to `labelme/` in the folder that `corrections.folder` names;
    - `audit.csv`: all masks, ranked; written last, so that files you edit later are newer.
    """
    shown = findings[:num]
    with atomic_folder(out) as partial:
        for name in ("labelme", "thumbs"):
            (partial / name).mkdir()
        faces = [
            _write_sample(partial, image_set, part, finding)
            for finding in tqdm(shown, desc="write", unit="face", mininterval=0.5)
        ]
        told = {"part": part, "total": len(findings), "how": how}
        name = image_set.info["name"]
        page = correction_page("audit.html", partial, name, faces, _ORDERS, **told)
        (partial / "index.html").write_text(page, encoding="utf-8")
        columns = ["rank", "key", "score", "disputed_frac", "boundary_iou"]
        table = pd.DataFrame({name: [getattr(one, name) for one in findings] for name in columns})
        table["shown"] = (table["rank"] <= num).astype(int)
        form = {"index": False, "float_format": "%.5f", "lineterminator": "\n"}
        table.to_csv(partial / "audit.csv", **form)


def _write_sample(out: Path, image_set: ImageSet, part: str, finding: Finding) -> PageFace:
    """Write mask, prediction and thumbnail for the page, and image and outline for LabelMe."""
    key = finding.key
    image, seg_map = image_set.image(key), image_set.seg_map(key, part)
    (out / f"labelme/{key}.jpg").write_bytes(image_set.read(key, "jpg"))
    content = labelme_content(f"{key}.jpg", (seg_map == FACE).astype(np.uint8))
    (out / f"labelme/{key}.json").write_text(f"{json.dumps(content, indent=1)}\n")
    height, width = seg_map.shape
    write_runs(out, key, seg_map, cv2.resize(finding.probability, (width, height)) >= 0.5)
    small = reduced(image, _THUMB_PX)
    shown = cv2.resize(seg_map, small.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    thumb = encode_jpeg(outlined(small, shown == FACE, _OUTLINE_RGB), _QUALITY)
    (out / f"thumbs/{key}.jpg").write_bytes(thumb)
    boundary = finding.boundary_iou if finding.boundary_iou == finding.boundary_iou else None
    told = "none" if boundary is None else f"{100 * boundary:.1f} %"
    return PageFace(
        name=key,
        file=f"{key}.jpg",
        image=f"labelme/{key}.jpg",
        thumb=f"thumbs/{key}.jpg",
        link=f"labelme/{key}.json",
        link_text=f"outline of {key} for LabelMe",
        size=(height, width),
        title=f"{finding.rank}. {key}",
        text=f"Score {finding.score:.3f}; {100 * finding.disputed_frac:.1f} % of the face "
        f"disputed; boundary IoU with the network {told}",
        order={"suspicion": finding.score, "boundary": boundary},
    )
