"""Audit an image set: load, cross-validate, rank, write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from face_occlusion.apps.auditing.crossvalidation import AuditParams, cross_validate
from face_occlusion.apps.auditing.findings import Finding, rank_masks, write_findings
from face_occlusion.apps.auditing.rules import disputed_face
from face_occlusion.apps.auditing.samples import load_samples
from face_occlusion.core.imageset import ImageSet


def audit_masks(
    folder: Path,
    out: Path,
    params: AuditParams,
    *,
    part: str = "png",
    references: Sequence[Path] = (),
    num: int = 100,
) -> list[Finding]:
    """Rank the masks of a set, and write page, table and LabelMe project.

    Args:
        folder: The set.
        out: New folder, see `write_findings`.
        params: How the network is trained.
        part: Whose masks are judged.
        references: Sets of faces whose masks (`png`) are known to be good.
        num: How many to show.

    Returns:
        All masks, the most suspicious first.

    Raises:
        ValueError: If a set cannot be read or lacks the part, there are too few faces, `num` is
            less than 1, or `out` is in use.
    """
    if num < 1:
        raise ValueError(f"num must be at least 1; got {num}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out}: not empty; name a new folder with --out")
    image_set = ImageSet(folder)
    audited = load_samples(image_set, part, params.side_px)
    trusted = [load_samples(ImageSet(path), "png", params.side_px) for path in references]
    probability = cross_validate(audited, trusted, params)
    scores = disputed_face(audited, probability)
    findings = rank_masks(audited.keys, scores, audited.faces, probability)
    write_findings(out, image_set, part, findings, num, _how(params, references))
    return findings


def _how(params: AuditParams, references: Sequence[Path]) -> str:
    teachers = ["the other masks of the set"] if params.folds > 1 else []
    teachers += [f"the reference {path.name}" for path in references]
    return (
        f"Judged by a small network at {params.side_px} pixels that has learnt from "
        f"{', '.join(teachers)}, never from the same face. Score: the share of the mask's face "
        "that it disputes, counted the more the further from the edge."
    )
