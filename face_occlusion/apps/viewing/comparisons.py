"""Draw sheets that show variants of the generator side by side, all else being equal."""

import dataclasses
import itertools
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from face_occlusion.apps.viewing.contact_sheet import draw_sheet, pick_keys
from face_occlusion.core.files import errors_name
from face_occlusion.core.imageset import ImageSet
from face_occlusion.generation.occlusion import OccluderSource, Sample, occlude, sample_rng
from face_occlusion.generation.params import (
    SOT,
    GenerateParams,
    default_params,
    paper_params,
    with_colours,
)
from face_occlusion.generation.store import open_store
from face_occlusion.reporting.figures import Tile
from face_occlusion.reporting.pictures import thumbnail

CROP_PX = 40  # side of the part of a picture whose label is shown magnified
LABEL_RGB = (0, 255, 160)
METHODS = {"hands": "natocc", "objects": "natocc", "textures": "randocc"}


@dataclass(frozen=True)
class Comparison:
    """Variants of the generator's settings that differ in one thing."""

    kind: str  # occluders: hands, objects or textures
    figures: str  # the paper's figures that show the same
    variants: Mapping[str, GenerateParams]  # settings by caption, all with the same seed


def comparisons(objects: str = "fit") -> dict[str, Comparison]:
    """Return the paper's comparisons by name; `objects` says how objects are harmonised."""
    replace = dataclasses.replace
    hand, item, shape = (paper_params(kind) for kind in METHODS)
    transfer = {"no transfer": hand, "transfer": default_params("hands")}
    algorithm1 = {
        "without Algorithm 1": replace(hand, colour_transfer=replace(SOT, algorithm1="off")),
        "with Algorithm 1": replace(hand, colour_transfer=SOT),
    }
    fitted = with_colours(default_params("objects"), "objects", objects)
    harmonised = {"as cut out": item, "harmonised": fitted}
    opaque, transparent = (replace(shape, transparent_prob=share) for share in (0.0, 1.0))
    opacity = {"opaque": opaque, "transparent": transparent}
    return {
        "hands_transfer": Comparison("hands", "7, 14, 15", transfer),
        "hands_algorithm1": Comparison("hands", "6", algorithm1),
        "objects_harmonised": Comparison("objects", "8, 16", harmonised),
        "randocc_opacity": Comparison("textures", "9, 17", opacity),
    }


def draw_sheets(
    faces: Path, occluders: Path, *, objects: str, num: int, columns: int, thumb_px: int
) -> dict[str, bytes]:
    """Draw the sheets of all comparisons whose occluders are there, and that of labels, by name.

    Objects are harmonised as `objects` says, see `params.with_colours`. Sheets are PNG and show
    `num` evenly spaced faces; one that cannot be occluded is a ValueError.
    """
    face_set = ImageSet(faces)
    keys = pick_keys(face_set, num)
    with tempfile.TemporaryDirectory(prefix="face-occlusion-") as scratch:
        stores = {
            kind: open_store(image_set, method, Path(scratch) / f"{kind}.bin")
            for kind, method in METHODS.items()
            if (image_set := ImageSet(occluders / kind)).absent is None
        }
        sheets = {}
        for name, one in comparisons(objects).items():
            if one.kind not in stores:
                continue
            tiles: list[Tile] = []
            for key in tqdm(keys, desc=" / ".join(one.variants)):
                variants = one.variants.values()
                samples = [_sample(face_set, key, stores[one.kind], params) for params in variants]
                pictures = [thumbnail(image, thumb_px) for image, _, _ in samples]
                tiles += _tiles(key, pictures, samples[-1])
            heads, title = list(one.variants) * columns, f"As Figs {one.figures} of the paper"
            sheets[name] = draw_sheet(tiles, len(heads), thumb_px, title=title, headings=heads)
        return sheets | {"labels": draw_labels(face_set, keys, stores, columns, thumb_px)}


def draw_labels(
    faces: ImageSet,
    keys: Sequence[str],
    occluders: Mapping[str, OccluderSource],
    columns: int,
    thumb_px: int,
) -> bytes:
    """Draw borders of labels magnified: the picture, and again with the label's pixel borders.

    The kinds of occluders are used in turn, and `thumb_px` is rounded down to a multiple of 40,
    the number of pixels shown.
    """
    tiles: list[Tile] = []
    factor = max(1, thumb_px // CROP_PX)
    kinds = itertools.cycle(sorted(occluders))
    for number, (key, kind) in enumerate(zip(tqdm(keys, desc="labels"), kinds, strict=False)):
        sample = _sample(faces, key, occluders[kind], default_params(kind))
        before = faces.seg_map(key) == 1
        image, label = _edge_crop(sample[0], sample[1] == 1, before, number)
        large = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST)
        tiles += _tiles(key, [large, outline_pixels(large, label)], sample)
    heads = ["picture", "label's border"] * columns
    title = f"Borders of labels, enlarged {factor} times"
    return draw_sheet(tiles, len(heads), factor * CROP_PX, title=title, headings=heads)


def outline_pixels(large: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Draw the borders of an (h, w) bool label on a copy of its magnified picture."""
    size, plane = large.shape[1::-1], label.astype(np.uint8)
    magnified = cv2.resize(plane, size, interpolation=cv2.INTER_NEAREST)
    border = cv2.morphologyEx(magnified, cv2.MORPH_GRADIENT, np.ones((2, 2), np.uint8))
    return np.where(border[..., np.newaxis] > 0, np.array(LABEL_RGB, np.uint8), large)


def _sample(faces: ImageSet, key: str, occluders: OccluderSource, params: GenerateParams) -> Sample:
    """Occlude one face of a set without augmenting its photograph."""
    params = dataclasses.replace(params, keep_background=True)
    rng = sample_rng(key, params.seed)
    with errors_name(f"{faces.folder}: {key}"):
        return occlude(faces.image(key), faces.seg_map(key), occluders, rng, params)


def _edge_crop(
    image: np.ndarray, face: np.ndarray, before: np.ndarray, number: int
) -> tuple[np.ndarray, np.ndarray]:
    """Crop a picture and its label around a place where the occluder's edge crosses the face."""
    hidden = cv2.dilate((before & ~face).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    edge = hidden & face
    half = CROP_PX // 2
    inner = np.zeros_like(edge)
    inner[half:-half, half:-half] = edge[half:-half, half:-half]
    places = np.argwhere(inner if inner.any() else edge)
    row, column = places[(7919 * (number + 1)) % len(places)]
    top = int(np.clip(row - half, 0, max(face.shape[0] - CROP_PX, 0)))
    left = int(np.clip(column - half, 0, max(face.shape[1] - CROP_PX, 0)))
    window = np.s_[top : top + CROP_PX, left : left + CROP_PX]
    return image[window], face[window]


def _tiles(key: str, pictures: Sequence[np.ndarray], sample: Sample) -> list[Tile]:
    """Put the sample's record in brief below the first of its pictures."""
    record = sample[2]
    text = f"{key}\n{record['occluder']}  {100 * record['covered_frac']:.0f} %"
    if record["opacity"] < 1:
        text += f"  opacity {record['opacity']:.2f}"
    return [Tile(image=pictures[0], caption=text), *(Tile(image=one) for one in pictures[1:])]
