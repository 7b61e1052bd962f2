"""Miniatures of the releases with faces: CelebAMask-HQ, RealOcc, RealOcc-Wild and COFW."""

import dataclasses
import functools
import io
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from face_occlusion.core.images import encode_jpeg, encode_png
from face_occlusion.miniature.archives import MiniatureParams, draw_all, write_7z, write_zip
from face_occlusion.miniature.canvas import FACE_PARTS, LAYERS, SUPERSAMPLE, Part, coverage
from face_occlusion.miniature.fields import Rng, Shape
from face_occlusion.miniature.held import CALLED_SKIN, HELD
from face_occlusion.miniature.person import View, person_of, picture_rng, sample_view
from face_occlusion.miniature.portraits import Portrait, face_landmarks, paint_portrait
from face_occlusion.miniature.worn import WORN

# First identity of each release: nobody appears in two.
_TRAIN, _TEST, _REALOCC, _WILD, _COFW = (1_000_000 * k for k in range(5))
_MASK_SHRINK = 2  # the release's masks have half the photographs' size
_IMAGES_PER_FOLDER = 2000  # of the part masks
_PER_PERSON = 2  # photographs of one person, in training
_PER_TEST_PERSON = 4  # and in the test (the paper: 716 of 80)
_LISTS = {"wo": "WO-train", "wo_test": "WO-test", "o": "O"}
_MATLAB_BLOCK = 512  # bytes before the HDF5 file
_NUM_COFW_TEST = 4


@dataclass(frozen=True)
class FaceJob:
    """One photograph of CelebAMask-HQ to draw."""

    number: int  # its number in the release
    identity: int  # the person on it
    subset: str  # wo, wo_test, o or excluded
    occluder: str | None  # a key of HELD, or None


def plan_faces(params: MiniatureParams) -> list[FaceJob]:
    """Give every photograph of CelebAMask-HQ its number, person and subset, shuffled."""
    excluded = max(params.num_wo_train // 40, 1)
    subsets = ["wo"] * params.num_wo_train + ["o"] * params.num_o + ["excluded"] * excluded
    people = [(subset, _TRAIN + k // _PER_PERSON) for k, subset in enumerate(subsets)]
    people += [("wo_test", _TEST + k // _PER_TEST_PERSON) for k in range(params.num_wo_test)]
    kinds = list(HELD)
    occluders: list[str | None] = [None] * len(people)
    for k in range(params.num_o):  # hands are half of them, as they are the hardest
        occluders[params.num_wo_train + k] = "hand" if k % 2 else kinds[(k // 2) % len(kinds)]
    order = np.random.default_rng([params.seed, 13]).permutation(len(people))
    jobs = [(people[k][1], people[k][0], occluders[k]) for k in order]
    return [FaceJob(number, *job) for number, job in enumerate(jobs)]


def _draw_face(job: FaceJob, params: MiniatureParams) -> tuple[bytes, dict[str, bytes], bytes]:
    """Draw one photograph of CelebAMask-HQ with its masks.

    Returns the JPEG; of each part that is there its name and mask, PNG 0/255; and the corrected
    mask of the visible face, PNG 0/1.
    """
    rng = picture_rng(job.identity, job.number, params.seed)
    person = person_of(job.identity, params.seed)
    view = sample_view(rng, person)
    portrait = paint_portrait(person, view, (params.face_px, params.face_px), rng)
    if job.occluder:
        HELD[job.occluder](portrait, rng)
    image = portrait.photograph(rng)
    if job.subset == "excluded":
        image = image // 64 * 64 + 32  # a cartoon of four tones
    corrected, layers = part_masks(portrait, mistaken=job.occluder in CALLED_SKIN)
    pngs = {name: encode_png(mask.astype(np.uint8) * 255) for name, mask in layers.items()}
    jpeg = encode_jpeg(image, int(rng.integers(88, 97)))
    return jpeg, pngs, encode_png(corrected.astype(np.uint8))


def part_masks(portrait: Portrait, mistaken: bool) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the visible face and the release's layers, which do not overlap.

    Both are (H, W) bool at the masks' size, layers by name where not empty. `mistaken` says whether
    the annotator took the occluder for skin where it covers the face.
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
    """Write the archives, lists and identities of CelebAMask-HQ into `folder`."""
    jobs = plan_faces(params)
    faces = draw_all(functools.partial(_draw_face, params=params), jobs, "faces")
    members, corrected = [], []
    for job, (jpeg, layers, visible) in zip(jobs, faces, strict=True):
        members.append((f"CelebAMask-HQ/CelebA-HQ-img/{job.number}.jpg", jpeg))
        stem = f"{job.number // _IMAGES_PER_FOLDER}/{job.number:05d}"
        for name, mask in layers.items():
            members.append((f"CelebAMask-HQ/CelebAMask-HQ-mask-anno/{stem}_{name}.png", mask))
        corrected.append((f"CelebAMask-HQ-masks_corrected/{job.number}.png", visible))
    originals = np.random.default_rng([params.seed, 14]).permutation(4 * len(jobs))
    lines = [f"{'idx':<8}{'orig_idx':<12}orig_file"]
    lines += [f"{j.number:<8}{originals[j.number]:<12}{originals[j.number]:06d}.jpg" for j in jobs]
    mapping = ("\n".join(lines) + "\n").encode()
    members.append(("CelebAMask-HQ/CelebA-HQ-to-CelebA-mapping.txt", mapping))
    write_zip(folder / "CelebAMask-HQ.zip", members)
    write_7z(folder / "CelebAMask-HQ-masks_corrected.7z", corrected)
    for subset, name in _LISTS.items():
        names = [f"{job.number}.jpg\n" for job in jobs if job.subset == subset]
        (folder / f"CelebAMask-HQ-{name}.txt").write_text("".join(names))
    people = [f"{originals[job.number]:06d}.jpg {job.identity + 1}\n" for job in jobs]
    (folder / "identity_CelebA.txt").write_text("".join(sorted(people)))


@dataclass(frozen=True)
class _Photo:
    """One photograph of a benchmark."""

    kind: str  # a key of WORN
    image: np.ndarray  # (H, W, 3) uint8 RGB
    mask: np.ndarray  # (H, W) bool
    points: np.ndarray  # (29, 2)
    hidden: np.ndarray  # (29,) bool


def _draw_photo(index: int, params: MiniatureParams, first: int, aligned: bool) -> _Photo:
    """Draw one benchmark photograph: one person, one occluder, kinds in turn."""
    identity, kind = first + index, list(WORN)[index % len(WORN)]
    person = person_of(identity, params.seed)
    rng = picture_rng(identity, index, params.seed)
    view = sample_view(rng, person)
    shape = (params.face_px, params.face_px)
    if not aligned:
        view, shape = _in_the_wild(rng, view, params.face_px)
    portrait = paint_portrait(person, view, shape, rng)
    WORN[kind](portrait, rng)
    points, hidden = face_landmarks(portrait)
    return _Photo(kind, portrait.photograph(rng), portrait.face(), points, hidden)


def _in_the_wild(rng: Rng, view: View, face_px: int) -> tuple[View, Shape]:
    """Turn a portrait into a snapshot: of any size, the face smaller, off-centre and turned."""
    height = int(face_px * rng.uniform(0.8, 1.25)) // 2 * 2
    width = int(height * rng.uniform(0.75, 1.4)) // 2 * 2
    unit = rng.uniform(0.13, 0.22)
    padding = 1.1 * unit * height / width
    centre = (rng.uniform(padding, 1 - padding), rng.uniform(1.6 * unit, 1 - 1.9 * unit))
    roll = view.roll_rad + np.deg2rad(rng.normal(0, 10))
    view = dataclasses.replace(view, centre_xy=centre, unit_frac=unit, roll_rad=roll)
    return view, (height, width)


def draw_realocc(folder: Path, params: MiniatureParams, *, wild: bool) -> None:
    """Write RealOcc.7z, aligned faces; or RealOcc-Wild.7z, faces neither cropped nor aligned."""
    name, prefix, first = ("RealOcc-Wild", "wild", _WILD) if wild else ("RealOcc", "occ", _REALOCC)
    draw = functools.partial(_draw_photo, params=params, first=first, aligned=not wild)
    photos = draw_all(draw, range(params.num_benchmark), name)
    stems = [f"{prefix}_{k:03d}_{photo.kind}" for k, photo in enumerate(photos)]
    named = list(zip(stems, photos, strict=True))
    members = [(f"{name}/image/{stem}.jpg", encode_jpeg(photo.image, 94)) for stem, photo in named]
    members += [(f"{name}/mask/{stem}.png", encode_png(photo.mask)) for stem, photo in named]
    members.append((f"{name}/split/val.txt", "".join(f"{stem}\n" for stem in stems).encode()))
    write_7z(folder / f"{name}.7z", members)


def draw_cofw(folder: Path, params: MiniatureParams) -> None:
    """Write COFW_color.zip (train and a small test file) and the train masks.

    Masks are numbered as the columns of the train file, from 1 as MATLAB counts.
    """
    draw = functools.partial(_draw_photo, params=params, first=_COFW, aligned=False)
    photos = draw_all(draw, range(params.num_benchmark + _NUM_COFW_TEST), "COFW")
    train, test = photos[: params.num_benchmark], photos[params.num_benchmark :]
    files = [
        ("COFW_color/COFW_test_color.mat", _matlab_file(test, "T")),
        ("COFW_color/COFW_train_color.mat", _matlab_file(train, "Tr")),
    ]
    write_zip(folder / "COFW_color.zip", files)
    masks = [
        (f"COFW_train_masks/{k:03d}.png", encode_png(photo.mask.astype(np.uint8) * 255))
        for k, photo in enumerate(train, start=1)
    ]
    write_zip(folder / "COFW_train_masks.zip", masks)


def _matlab_file(photos: list[_Photo], suffix: str) -> bytes:
    """Return photographs and landmarks as a MATLAB 7.3 file like COFW's.

    MATLAB stores arrays column by column, so HDF5 shows every axis reversed: images are (3, W, H),
    phis (87, N): 29 x, 29 y, 29 flags of occlusion; bboxes (4, N): x, y, width, height. The names
    of the variables end in the suffix, `Tr` or `T`.
    """
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", userblock_size=_MATLAB_BLOCK, libver=("earliest", "v110")) as file:
        cells = file.create_dataset(f"Is{suffix}", (1, len(photos)), h5py.ref_dtype)
        cells.attrs["MATLAB_class"] = np.bytes_("cell")
        refs = file.create_group("#refs#")
        for k, photo in enumerate(photos):
            image = refs.create_dataset(f"i{k:04d}", data=photo.image.transpose(2, 1, 0))
            image.attrs["MATLAB_class"] = np.bytes_("uint8")
            cells[0, k] = image.ref
        phis = [[*(photo.points + 0.5).T.ravel(), *photo.hidden] for photo in photos]  # from 1
        boxes = []  # padded, around brows to chin
        for photo in photos:
            low, high = photo.points.min(axis=0), photo.points.max(axis=0)
            padding = 0.12 * (high - low)
            boxes.append(np.rint(np.concatenate([low - padding, high - low + 2 * padding])))
        for name, rows in {"phis": phis, "bboxes": boxes}.items():
            data = file.create_dataset(f"{name}{suffix}", data=np.array(rows, float).T)
            data.attrs["MATLAB_class"] = np.bytes_("double")
    header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, HDF5 schema 1.00 ."
    block = header.ljust(116, b" ") + bytes(8) + b"\x00\x02IM"  # text, offset, version, endian
    return block.ljust(_MATLAB_BLOCK, b"\0") + buffer.getvalue()[_MATLAB_BLOCK:]
