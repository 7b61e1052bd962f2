"""Miniatures of RealOcc, RealOcc-Wild and COFW: occluders that no training set has."""

from __future__ import annotations

import dataclasses
import functools
import io
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from face_occlusion.core.images import encode_jpeg, encode_png
from face_occlusion.miniature.cast import COFW, REALOCC, WILD, cast, picture_rng
from face_occlusion.miniature.drawing import draw_all
from face_occlusion.miniature.landmarks import face_landmarks
from face_occlusion.miniature.packing import write_7z, write_zip
from face_occlusion.miniature.params import MiniatureParams
from face_occlusion.miniature.person import Person, View, draw_view
from face_occlusion.miniature.portraits import paint_portrait
from face_occlusion.miniature.worn import WORN

_MATLAB_BLOCK = 512  # bytes before the HDF5 file
_NUM_COFW_TEST = 4


@dataclass(frozen=True)
class _Photo:
    kind: str
    image: np.ndarray  # (H, W, 3) uint8 RGB
    mask: np.ndarray  # (H, W) bool
    points: np.ndarray  # (29, 2)
    hidden: np.ndarray  # (29,) bool


def _draw_photo(index: int, params: MiniatureParams, first: int, aligned: bool) -> _Photo:
    """Draw one benchmark photograph: one person, one occluder, kinds in turn."""
    identity, kind = first + index, list(WORN)[index % len(WORN)]
    person = cast(identity, params.seed)
    rng = picture_rng(identity, index, params.seed)
    view = draw_view(rng, person)
    shape = (params.face_px, params.face_px)
    if not aligned:
        view, shape = _in_the_wild(rng, person, view, params.face_px)
    portrait = paint_portrait(person, view, shape, rng)
    WORN[kind](portrait, rng)
    points, hidden = face_landmarks(portrait)
    return _Photo(kind, portrait.photograph(rng), portrait.face(), points, hidden)


def _in_the_wild(
    rng: np.random.Generator, person: Person, view: View, face_px: int
) -> tuple[View, tuple[int, int]]:
    """Turn a portrait into a snapshot: of any size, the face smaller, off-centre and turned."""
    height = int(face_px * rng.uniform(0.8, 1.25)) // 2 * 2
    width = int(height * rng.uniform(0.75, 1.4)) // 2 * 2
    unit = rng.uniform(0.13, 0.22)
    margin = 1.1 * unit * height / width
    centre = (rng.uniform(margin, 1 - margin), rng.uniform(1.6 * unit, 1 - 1.9 * unit))
    return dataclasses.replace(
        view,
        centre_xy=centre,
        unit_frac=unit,
        roll_rad=view.roll_rad + np.deg2rad(rng.normal(0, 10)),
    ), (height, width)


def draw_realocc(folder: Path, params: MiniatureParams) -> None:
    """Write RealOcc.7z: aligned faces."""
    photos = _draw_photos(params, REALOCC, aligned=True, what="RealOcc")
    _write_benchmark(folder / "RealOcc.7z", "RealOcc", "occ", photos)


def draw_realocc_wild(folder: Path, params: MiniatureParams) -> None:
    """Write RealOcc-Wild.7z: faces neither cropped nor aligned."""
    photos = _draw_photos(params, WILD, aligned=False, what="RealOcc-Wild")
    _write_benchmark(folder / "RealOcc-Wild.7z", "RealOcc-Wild", "wild", photos)


def _draw_photos(
    params: MiniatureParams, first: int, aligned: bool, what: str, extra: int = 0
) -> list[_Photo]:
    draw = functools.partial(_draw_photo, params=params, first=first, aligned=aligned)
    return draw_all(draw, range(params.num_benchmark + extra), what)


def _write_benchmark(path: Path, name: str, prefix: str, photos: list[_Photo]) -> None:
    stems = [f"{prefix}_{k:03d}_{photo.kind}" for k, photo in enumerate(photos)]
    members = [
        (f"{name}/image/{stem}.jpg", encode_jpeg(photo.image, 94))
        for stem, photo in zip(stems, photos, strict=True)
    ]
    members += [
        (f"{name}/mask/{stem}.png", encode_png(photo.mask))
        for stem, photo in zip(stems, photos, strict=True)
    ]
    members.append((f"{name}/split/val.txt", "".join(f"{stem}\n" for stem in stems).encode()))
    write_7z(path, members)


def draw_cofw(folder: Path, params: MiniatureParams) -> None:
    """Write COFW_color.zip (train and a small test file) and the train masks.

    Masks are numbered as the columns of the train file, from 1 as MATLAB counts.
    """
    photos = _draw_photos(params, COFW, aligned=False, what="COFW", extra=_NUM_COFW_TEST)
    train, test = photos[: params.num_benchmark], photos[params.num_benchmark :]
    files = [
        ("COFW_color/COFW_test_color.mat", matlab_file(test, "T")),
        ("COFW_color/COFW_train_color.mat", matlab_file(train, "Tr")),
    ]
    write_zip(folder / "COFW_color.zip", files)
    masks = [
        (f"COFW_train_masks/{k:03d}.png", encode_png(photo.mask.astype(np.uint8) * 255))
        for k, photo in enumerate(train, start=1)
    ]
    write_zip(folder / "COFW_train_masks.zip", masks)


def matlab_file(photos: list[_Photo], suffix: str) -> bytes:
    """Return photographs and landmarks as a MATLAB 7.3 file like COFW's.

    MATLAB stores arrays column by column, so HDF5 shows every axis reversed: images are (3, W, H),
    phis (87, N): 29 x, 29 y, 29 flags of occlusion; bboxes (4, N): x, y, width, height.

    Args:
        photos: What the file holds.
        suffix: `Tr` or `T`, the end of the variables' names.
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
        tables = {"phis": _phis(photos), "bboxes": _boxes(photos)}
        for name, table in tables.items():
            data = file.create_dataset(f"{name}{suffix}", data=table.T)
            data.attrs["MATLAB_class"] = np.bytes_("double")
    header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, HDF5 schema 1.00 ."
    block = header.ljust(116, b" ") + bytes(8) + b"\x00\x02IM"  # text, offset, version, endian
    return block.ljust(_MATLAB_BLOCK, b"\0") + buffer.getvalue()[_MATLAB_BLOCK:]


def _phis(photos: list[_Photo]) -> np.ndarray:
    """Return (N, 87) float64, points counted from 1 as in MATLAB."""
    rows = [np.concatenate([p.points[:, 0] + 0.5, p.points[:, 1] + 0.5, p.hidden]) for p in photos]
    return np.array(rows, float)


def _boxes(photos: list[_Photo]) -> np.ndarray:
    """Return (N, 4) float64 x, y, width, height around brows to chin, with a margin."""
    boxes = []
    for photo in photos:
        low, high = photo.points.min(axis=0), photo.points.max(axis=0)
        margin = 0.12 * (high - low)
        boxes.append(np.rint(np.concatenate([low - margin, high - low + 2 * margin])))
    return np.array(boxes, float)
