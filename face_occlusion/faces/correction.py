"""The correction of one face's mask: what was drawn, and how it changes the mask.

Polygons and run lengths that tools export are checked before they are drawn.
"""

import math
import re
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from face_occlusion.core.classes import BACKGROUND, FACE, IGNORED, instance_mask, resize_seg_map
from face_occlusion.core.files import errors_name
from face_occlusion.core.images import decode_rgba
from face_occlusion.core.params import FILLED, Checked
from face_occlusion.faces.celebamask_hq import check_aspect

CLASS_IDS = {"background": BACKGROUND, "face": FACE, "ignored": IGNORED}


@dataclass(frozen=True, kw_only=True)
class CorrectionsParams(Checked):
    """Section `corrections` of params.yaml."""

    folder: str  # with a subfolder for each format; without any, nothing is corrected
    # Label in the tool -> its class.
    labels: Annotated[Mapping[str, Literal["background", "face", "ignored"]], FILLED]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.folder.startswith("/") or ".." in self.folder.split("/"):
            raise ValueError(f"folder: must be a folder in the repository; got '{self.folder}'")

    def class_id(self, label: Any) -> int:
        """Return the class that a label stands for; an unknown label is a ValueError."""
        if label not in self.labels:
            raise ValueError(
                f"unknown label {label!r}; known: {', '.join(map(str, self.labels))} "
                "(corrections.labels in params.yaml)"
            )
        return CLASS_IDS[self.labels[label]]


@dataclass(frozen=True)
class Outline:
    """A region of one class, checked by `check_segmentation`."""

    class_id: int  # what its pixels become
    segmentation: Any  # polygons or run lengths
    size: tuple[int, int]  # (height, width) of the image they were drawn on

    def __post_init__(self) -> None:
        check_segmentation(self.segmentation, self.size)

    @property
    def draws_face(self) -> bool:
        """Whether the region is face."""
        return self.class_id == FACE

    def paint(self, seg_map: np.ndarray) -> None:
        """Give the region's pixels its class."""
        seg_map[instance_mask(self.segmentation, self.size)] = self.class_id


@dataclass(frozen=True)
class Bitmap:
    """The whole map of a face, in a file."""

    path: Path  # RGBA PNG; an instance's id is R + 256 G + 65536 B
    class_of: Mapping[int, int]  # instance id -> class id; 0, unlabelled, is background
    draws_face: ClassVar = True  # always: a whole map replaces the mask

    def paint(self, seg_map: np.ndarray) -> None:
        """Replace every pixel; an unreadable file, another size or unknown id is a ValueError."""
        rgba = decode_rgba(self.path.read_bytes(), self.path.name).astype(np.uint32)
        ids = rgba[..., 0] | rgba[..., 1] << 8 | rgba[..., 2] << 16  # (H, W)
        if ids.shape != seg_map.shape:
            raise ValueError(
                f"{self.path.name}: must have its image's (height, width) {seg_map.shape}; "
                f"got {ids.shape}"
            )
        found, places = np.unique(ids, return_inverse=True)
        if unknown := sorted(set(found.tolist()) - {0, *self.class_of}):
            raise ValueError(
                f"{self.path.name}: holds instances {unknown}, which the release does not list"
            )
        classes = [self.class_of.get(int(number), BACKGROUND) for number in found]
        seg_map[:] = np.array(classes, np.uint8)[places].reshape(ids.shape)


Layer = Outline | Bitmap  # both picklable


@dataclass(frozen=True, kw_only=True)
class Correction:
    """What was drawn for one face."""

    number: int  # the face's number
    format: str  # labelme, segments, coco or page
    where: str  # the file and the place in it, for errors
    size: tuple[int, int]  # (height, width) of the image it was drawn on
    layers: tuple[Layer, ...]  # what was drawn, lowest first

    def apply(self, seg_map: np.ndarray) -> np.ndarray:
        """Correct a face's mask: (H, W) uint8 class ids, of the drawing's size.

        If the drawing contains face, it replaces the mask: everything else becomes background.
        Otherwise it is painted over the mask, so that an occluder can be drawn alone. The mask to
        correct, (h, w) uint8 class ids, is left unchanged. Aspects that differ, and a bitmap that
        cannot be read, are a ValueError that names the file.
        """
        drawing = f"the drawing in {self.where}"
        check_aspect(f"face {self.number}", seg_map.shape, self.size, drawing)
        if any(layer.draws_face for layer in self.layers):
            corrected = np.full(self.size, BACKGROUND, np.uint8)
        else:
            corrected = resize_seg_map(seg_map, self.size).copy()
        with errors_name(self.where):
            for layer in self.layers:
                layer.paint(corrected)
        return corrected


def face_number(name: Any) -> int:
    """Return the face number in an image's name (`faces/00024.jpg`: 24); ValueError without one."""
    stem = re.split(r"[/\\]", str(name))[-1].partition(".")[0]
    if not re.fullmatch(r"[0-9]+", stem):
        raise ValueError(f"an image must be named by its face's number, as 24.jpg; got {name!r}")
    return int(stem)


def image_size(height: Any, width: Any) -> tuple[int, int]:
    """Return (height, width) in pixels; what is no whole number from 1 to 65536 is a ValueError."""
    for value in (height, width):
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1 << 16:
            raise ValueError(f"an image's height and width must be given; got {height} x {width}")
    return height, width


_OUTSIDE_PX = 1.0  # tools let a point lie this far beyond the image


def check_segmentation(segmentation: Any, size: tuple[int, int]) -> None:
    """Check polygons or run lengths.

    ValueError if they are neither, a polygon has fewer than three points, a point is no finite
    number or lies outside the image, the runs do not fill the image, or nothing is covered.
    """
    if isinstance(segmentation, Mapping):
        _check_runs(segmentation, size)
    elif isinstance(segmentation, list) and segmentation:
        for polygon in segmentation:
            check_polygon(polygon, size)
    else:
        raise ValueError(f"polygons or run lengths expected; got {reprlib.repr(segmentation)}")
    if not instance_mask(segmentation, size).any():
        raise ValueError("covers no pixel")


def check_polygon(polygon: Any, size: tuple[int, int]) -> None:
    """Check one polygon [x0, y0, x1, y1, ...]; errors as `check_segmentation`."""
    if not isinstance(polygon, Sequence) or isinstance(polygon, str):
        raise ValueError(f"a polygon must be a list of numbers; got {reprlib.repr(polygon)}")
    if len(polygon) < 6 or len(polygon) % 2:
        raise ValueError(f"a polygon needs three points (x, y) or more; got {len(polygon)} numbers")
    for place, value in enumerate(polygon):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value):
            raise ValueError(f"a polygon's coordinates must be finite numbers; got {value!r}")
        if not -_OUTSIDE_PX <= value <= size[1 - place % 2] + _OUTSIDE_PX:
            axis = "xy"[place % 2]
            raise ValueError(
                f"a polygon leaves its image of {size[0]}x{size[1]} pixels at {axis} = {value:g}"
            )


def _check_runs(runs: Mapping[str, Any], size: tuple[int, int]) -> None:
    if list(runs.get("size", [])) != list(size):
        raise ValueError(
            f"run lengths for {runs.get('size')} (height, width), while the image has {list(size)}"
        )
    counts = runs.get("counts")
    lengths = _unpack_counts(counts) if isinstance(counts, str | bytes) else counts
    if not isinstance(lengths, list) or not all(
        isinstance(length, int) and length >= 0 for length in lengths
    ):
        raise ValueError(f"run lengths must be whole numbers from 0; got {reprlib.repr(counts)}")
    if sum(lengths) != size[0] * size[1]:  # pycocotools would leave the rest to chance
        raise ValueError(f"run lengths add up to {sum(lengths)}, not to {size[0]}x{size[1]} pixels")


def _unpack_counts(text: str | bytes) -> list[int]:
    """Read compressed run lengths: 5 bits a character; each counts from the last but one.

    A text that ends inside a number is a ValueError.
    """
    codes = [ord(char) - 48 for char in text] if isinstance(text, str) else [c - 48 for c in text]
    lengths: list[int] = []
    value = shift = 0
    for code in codes:
        value |= (code & 31) << shift
        shift += 5
        if not code & 32:
            if code & 16:
                value -= 1 << shift
            lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
            value = shift = 0
    if shift:
        raise ValueError("run lengths are cut off")
    return lengths
