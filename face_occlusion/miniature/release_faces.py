"""A miniature CelebAMask-HQ: photographs, part masks, corrected masks, lists, identities."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from face_occlusion.core.images import encode_jpeg, encode_png
from face_occlusion.miniature.canvas import SUPERSAMPLE, coverage
from face_occlusion.miniature.cast import TEST, TRAIN, cast, picture_rng
from face_occlusion.miniature.drawing import draw_all
from face_occlusion.miniature.held import CALLED_SKIN, HELD
from face_occlusion.miniature.packing import write_7z, write_zip
from face_occlusion.miniature.params import MiniatureParams
from face_occlusion.miniature.parts import FACE_PARTS, LAYERS, Part
from face_occlusion.miniature.person import draw_view
from face_occlusion.miniature.portraits import Portrait, paint_portrait

_MASK_SHRINK = 2  # the release's masks have half the photographs' size
_IMAGES_PER_FOLDER = 2000  # of the part masks
_PER_PERSON = 2  # photographs of one person, in training
_PER_TEST_PERSON = 4  # and in the test (the paper: 716 of 80)
_LISTS = {"wo": "WO-train", "wo_test": "WO-test", "o": "O"}


@dataclass(frozen=True)
class FaceJob:
    """One photograph to draw.

    Attributes:
        number: Its number in the release.
        identity: Who is on it.
        subset: wo, wo_test, o or excluded.
        occluder: A key of HELD, or None.
    """

    number: int
    identity: int
    subset: str
    occluder: str | None


def plan_faces(params: MiniatureParams) -> list[FaceJob]:
    """Give every photograph of the release its number, person and subset, shuffled."""
    excluded = max(params.num_wo_train // 40, 1)
    subsets = ["wo"] * params.num_wo_train + ["o"] * params.num_o + ["excluded"] * excluded
    people = [(subset, TRAIN + k // _PER_PERSON) for k, subset in enumerate(subsets)]
    people += [("wo_test", TEST + k // _PER_TEST_PERSON) for k in range(params.num_wo_test)]
    kinds = list(HELD)
    occluders: list[str | None] = [None] * len(people)
    for k in range(params.num_o):  # hands are half of them, as they are the hardest
        occluders[params.num_wo_train + k] = "hand" if k % 2 else kinds[(k // 2) % len(kinds)]
    order = np.random.default_rng([params.seed, 13]).permutation(len(people))
    return [
        FaceJob(number, people[k][1], people[k][0], occluders[k]) for number, k in enumerate(order)
    ]


@dataclass(frozen=True)
class DrawnFace:
    """A photograph with its masks, encoded.

    Attributes:
        image: JPEG.
        layers: Part name -> PNG 0/255; absent parts are absent.
        corrected: PNG 0/1, the visible face.
    """

    image: bytes
    layers: dict[str, bytes]
    corrected: bytes


def draw_face(job: FaceJob, params: MiniatureParams) -> DrawnFace:
    """Draw one photograph of the release."""
    rng = picture_rng(job.identity, job.number, params.seed)
    person = cast(job.identity, params.seed)
    view = draw_view(rng, person)
    portrait = paint_portrait(person, view, (params.face_px, params.face_px), rng)
    if job.occluder:
        HELD[job.occluder](portrait, rng)
    image = portrait.photograph(rng)
    if job.subset == "excluded":
        image = image // 64 * 64 + 32  # a cartoon of four tones
    corrected, layers = part_masks(portrait, mistaken=job.occluder in CALLED_SKIN)
    return DrawnFace(
        image=encode_jpeg(image, int(rng.integers(88, 97))),
        layers={name: encode_png(mask.astype(np.uint8) * 255) for name, mask in layers.items()},
        corrected=encode_png(corrected.astype(np.uint8)),
    )


def part_masks(portrait: Portrait, mistaken: bool) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the visible face and the release's layers, which do not overlap.

    Args:
        portrait: The finished painting.
        mistaken: Whether the annotator took the occluder for skin where it covers the face.

    Returns:
        (H, W) bool at the masks' size, and layer name -> (H, W) bool of those not empty.
    """
    factor = SUPERSAMPLE * _MASK_SHRINK
    labels = portrait.canvas.labels
    corrected = coverage(np.isin(labels, FACE_PARTS), factor)
    layers, taken = {}, np.zeros_like(corrected)
    for part in LAYERS:  # a pixel that two parts share by halves goes to the first
        if part != Part.SKIN:
            inside = corrected if part in FACE_PARTS else ~corrected
            layers[part] = coverage(labels == part, factor) & inside & ~taken
            taken |= layers[part]
    layers[Part.SKIN] = corrected & ~taken
    if mistaken:
        whole = coverage(np.isin(portrait.uncovered, FACE_PARTS), factor)
        layers[Part.SKIN] |= whole & coverage(labels == Part.OCCLUDER, factor)
    return corrected, {part.name.lower(): mask for part, mask in layers.items() if mask.any()}


def draw_celebamask_hq(folder: Path, params: MiniatureParams) -> None:
    """Write the miniature's archives, lists and identities into `folder`."""
    jobs = plan_faces(params)
    draw = functools.partial(draw_face, params=params)
    faces = draw_all(draw, jobs, "faces")
    members = []
    for job, face in zip(jobs, faces, strict=True):
        members.append((f"CelebAMask-HQ/CelebA-HQ-img/{job.number}.jpg", face.image))
        stem = f"{job.number // _IMAGES_PER_FOLDER}/{job.number:05d}"
        for name, mask in face.layers.items():
            members.append((f"CelebAMask-HQ/CelebAMask-HQ-mask-anno/{stem}_{name}.png", mask))
    originals = np.random.default_rng([params.seed, 14]).permutation(4 * len(jobs))
    lines = [f"{'idx':<8}{'orig_idx':<12}orig_file"]
    lines += [f"{j.number:<8}{originals[j.number]:<12}{originals[j.number]:06d}.jpg" for j in jobs]
    mapping = ("\n".join(lines) + "\n").encode()
    members.append(("CelebAMask-HQ/CelebA-HQ-to-CelebA-mapping.txt", mapping))
    write_zip(folder / "CelebAMask-HQ.zip", members)
    write_7z(
        folder / "CelebAMask-HQ-masks_corrected.7z",
        [
            (f"CelebAMask-HQ-masks_corrected/{job.number}.png", face.corrected)
            for job, face in zip(jobs, faces, strict=True)
        ],
    )
    for subset, name in _LISTS.items():
        names = [f"{job.number}.jpg\n" for job in jobs if job.subset == subset]
        (folder / f"CelebAMask-HQ-{name}.txt").write_text("".join(names))
    people = [f"{originals[job.number]:06d}.jpg {job.identity + 1}\n" for job in jobs]
    (folder / "identity_CelebA.txt").write_text("".join(sorted(people)))
