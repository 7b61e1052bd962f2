"""Measure how well the audit finds wrong masks: `python -m bench.auditing --data data`.

As many masks are looked at as are wrong, so precision equals recall. A mask is wrong if more than
1 % of the pixels of the union of its face and the true face differ. `disputed_face` is the audit's
rule; the others are alternatives. Cases:

- o: the occluded faces with their original masks; the corrected masks are the truth. Most of these
  masks are wrong, so the network is trained on references only: unoccluded faces, generated sets.
- c_original: the occluded and unoccluded faces together, with their original masks, in folds.
- injected: unoccluded faces of which every tenth gets an occluder, hands and objects in turn, and
  keeps its mask, in folds. Of the generated sets only those with random shapes are references here,
  because the others show the hands and objects that are injected.
"""

import argparse
import dataclasses
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch

from bench.machine import machine
from face_occlusion.apps.auditing.audit import disputed_face
from face_occlusion.apps.auditing.crossvalidation import (
    AuditParams,
    Samples,
    cross_validate,
    join,
    load_samples,
)
from face_occlusion.core.classes import FACE
from face_occlusion.core.imageset import ImageSet
from face_occlusion.generation import occlude
from face_occlusion.generation.params import paper_params

LEAST_DIFFERENCE = 0.01  # of the union of two masks' faces
INJECT_EVERY = 10
OCCLUDERS = ("hands", "objects")
TEMPERATURE = 0.1  # of cleanlab's softmin

Case = tuple[Samples, list[Samples], np.ndarray, int]  # audited, references, wrong, folds


def main() -> None:
    """Print a table of all rules in the chosen cases."""
    cases: dict[str, Callable[[Path, AuditParams, Sequence[str]], Case]] = {
        "o": audit_o,
        "c_original": audit_c_original,
        "injected": audit_injected,
    }
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("data"), help="a profile's image sets")
    parser.add_argument("--cases", nargs="+", choices=cases, default=list(cases))
    parser.add_argument(
        "--sets",
        nargs="*",
        default=["natocc_hand", "natocc_object", "randocc_1"],
        help="generated references",
    )
    parser.add_argument("--iterations", type=int, default=AuditParams.iterations)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    logging.info(machine())
    params = AuditParams(iterations=args.iterations, seed=args.seed)
    rows = [row for name in args.cases for row in _measure(name, cases[name], args, params)]
    print(pd.DataFrame(rows).to_markdown(index=False, floatfmt=".3f"))


def _measure(
    name: str,
    case: Callable[[Path, AuditParams, Sequence[str]], Case],
    args: argparse.Namespace,
    params: AuditParams,
) -> list[dict[str, object]]:
    unseen = ("randocc",) if name == "injected" else ("",)  # without the injected occluders
    sets = [found for found in args.sets if found.startswith(unseen)]
    audited, references, wrong, folds = case(args.data, params, sets)
    start = time.perf_counter()
    probability = cross_validate(audited, references, dataclasses.replace(params, folds=folds))
    seconds = time.perf_counter() - start
    rows = []
    for rule, score in RULES.items():
        precision, average = judge(score(audited, probability), wrong)
        rows.append(
            {
                "case": name,
                "references": "+".join(sets) or "-",
                "rule": rule,
                "wrong": int(wrong.sum()),
                "masks": len(wrong),
                "precision = recall": precision,
                "average precision": average,
                "chance": float(wrong.mean()),
                "seconds": round(seconds),
            }
        )
    return rows


def disbelief(samples: Samples, probability: np.ndarray) -> np.ndarray:
    """Return the mean probability against the mask, over all its pixels; (N,) in [0, 1]."""
    against = _against(samples, probability)
    return np.nanmean(against.reshape(len(samples), -1), axis=1)


def softmin_disbelief(samples: Samples, probability: np.ndarray) -> np.ndarray:
    """Return 1 - the softmin over pixels of the mask's probability, temperature 0.1.

    As `cleanlab.segmentation.rank.get_label_quality_scores`, "softmin" (Lad and Mueller 2023).
    """
    against = _against(samples, probability).reshape(len(samples), -1)
    weights = np.where(np.isnan(against), 0, np.exp(np.nan_to_num(against) / TEMPERATURE))
    return (weights * np.nan_to_num(against)).sum(axis=1) / weights.sum(axis=1)


def missed_overlap(samples: Samples, probability: np.ndarray) -> np.ndarray:
    """Return 1 - IoU of the mask's face and the predicted one; (N,) in [0, 1]."""
    faces, predicted = samples.faces >= 128, (probability >= 0.5) & (samples.known >= 128)
    both = (faces & predicted).sum(axis=(1, 2))
    return 1 - both / np.maximum((faces | predicted).sum(axis=(1, 2)), 1)


def _against(samples: Samples, probability: np.ndarray) -> np.ndarray:
    """Return (N, S, S) probability that the mask is wrong; NaN where it is ignored."""
    against = np.where(samples.faces >= 128, 1 - probability, probability)
    return np.where(samples.known >= 128, against, np.nan)


RULES: dict[str, Callable[[Samples, np.ndarray], np.ndarray]] = {
    "disputed_face": disputed_face,
    "disbelief": disbelief,
    "softmin_disbelief": softmin_disbelief,
    "missed_overlap": missed_overlap,
}


def judge(scores: np.ndarray, wrong: np.ndarray) -> tuple[float, float]:
    """Return precision (= recall) at the true number of wrong masks, and average precision.

    Args:
        scores: (N,), high for masks that seem wrong.
        wrong: (N,) bool, at least one.
    """
    hits = wrong[np.argsort(-scores, kind="stable")]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return float(hits[: hits.sum()].mean()), float(precision[hits].mean())


def audit_o(data: Path, params: AuditParams, sets: Sequence[str]) -> Case:
    """Judge occluded faces by a network trained on unoccluded faces and sets made from them."""
    audited, wrong = _with_truth(data / "faces/o", params)
    wo = load_samples(ImageSet(data / "faces/wo"), "png", params.side_px)
    return audited, [wo, *_generated(data, params, sets)], wrong, 1


def audit_c_original(data: Path, params: AuditParams, sets: Sequence[str]) -> Case:
    """Judge C-Original in folds."""
    occluded, wrong_o = _with_truth(data / "faces/o", params)
    unoccluded, wrong_wo = _with_truth(data / "faces/wo", params)
    wrong = np.concatenate([wrong_o, wrong_wo])
    return join(occluded, [unoccluded]), _generated(data, params, sets), wrong, params.folds


def audit_injected(data: Path, params: AuditParams, sets: Sequence[str]) -> Case:
    """Judge unoccluded faces, some of which got an occluder that their masks do not show."""
    faces = ImageSet(data / "faces/wo")
    audited = load_samples(faces, "png", params.side_px)
    wrong = np.zeros(len(audited), bool)
    size = (params.side_px, params.side_px)
    for count, place in enumerate(range(0, len(audited), INJECT_EVERY)):
        kind = OCCLUDERS[count % len(OCCLUDERS)]
        occluders = ImageSet(data / "occluders" / kind)
        rng = np.random.default_rng([place, params.seed, 2])
        cutout = occluders.cutout(occluders.keys[rng.integers(len(occluders))])
        key = faces.keys[place]
        image, covers = inject(faces.image(key), faces.seg_map(key), cutout, rng, kind)
        audited.images[place] = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        wrong[place] = covers > LEAST_DIFFERENCE
    return audited, _generated(data, params, sets), wrong, params.folds


def inject(
    image: np.ndarray, seg_map: np.ndarray, cutout: np.ndarray, rng: np.random.Generator, kind: str
) -> tuple[np.ndarray, float]:
    """Occlude a face without any other change.

    Returns:
        (H, W, 3) uint8 RGB, and the share of the face that is covered.
    """
    params = paper_params(kind, seed=0)
    still = dataclasses.replace(params.face, affine_prob=0.0)
    params = dataclasses.replace(params, face=still)
    occluded, visible, _ = occlude(image, seg_map, cutout, rng, params)
    before = np.count_nonzero(seg_map == FACE)
    return occluded, 1 - np.count_nonzero(visible == FACE) / before


def _with_truth(folder: Path, params: AuditParams) -> tuple[Samples, np.ndarray]:
    """Read a set with its original masks, and which of them are wrong by the corrected ones."""
    image_set = ImageSet(folder)
    wrong = []
    for key in image_set.keys:
        original = image_set.seg_map(key, "original.png") == FACE
        corrected = image_set.seg_map(key) == FACE
        union = max(1, np.count_nonzero(original | corrected))
        wrong.append(np.count_nonzero(original != corrected) > LEAST_DIFFERENCE * union)
    return load_samples(image_set, "original.png", params.side_px), np.array(wrong)


def _generated(data: Path, params: AuditParams, sets: Sequence[str]) -> list[Samples]:
    return [load_samples(ImageSet(data / "sets" / name), "png", params.side_px) for name in sets]


if __name__ == "__main__":
    main()
