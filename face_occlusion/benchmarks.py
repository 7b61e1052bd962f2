"""Import benchmarks: RealOcc, RealOcc-Wild, COFW, and CelebAMask-HQ's unoccluded test faces."""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from face_occlusion.alignment import (
    LandmarkDetector,
    align_image,
    align_seg_map,
    ffhq_square,
    points_of_29,
    points_of_68,
)
from face_occlusion.cofw import CofwTrain
from face_occlusion.faces import find_faces, fitted_jpeg, list_images, read_corrected
from face_occlusion.images import decode_image, decode_mask, encode_jpeg, encode_png, to_seg_map
from face_occlusion.imageset import ImageSet, encode_record, write_image_set
from face_occlusion.masks import FACE, IGNORED, read_subsets
from face_occlusion.parallel import ordered_map
from face_occlusion.resizing import fitted_size, resize_seg_map
from face_occlusion.sources import Release

ALIGNMENTS = ("none", "ffhq")
LANDMARKS = ("dlib", "cofw")
_KIND = re.compile(r"\d+_([a-z][a-z_]*)$")  # occ_010_sunglasses -> sunglasses


@dataclass(frozen=True, kw_only=True)
class BenchmarkParams:
    """Section `benchmarks.NAME` of params.yaml."""

    source: str  # a key of `sources`
    align: str  # none, or ffhq: an oriented square from eyes and mouth
    landmarks: str  # of ffhq: dlib (detected) or cofw (the data set's own); else without effect
    size_px: int  # aligned: side; else longer side, 0 keeps the release's
    jpeg_quality: int  # of images that are written anew; others keep their bytes
    samples_per_shard: int

    def __post_init__(self) -> None:
        if self.align not in ALIGNMENTS:
            raise ValueError(f"align: must be one of {', '.join(ALIGNMENTS)}; got '{self.align}'")
        if self.landmarks not in LANDMARKS:
            raise ValueError(
                f"landmarks: must be one of {', '.join(LANDMARKS)}; got '{self.landmarks}'"
            )
        if self.size_px < 16 and (self.size_px != 0 or self.align != "none"):
            raise ValueError(
                f"size_px: must be at least 16, or 0 where nothing is aligned; got {self.size_px}"
            )
        if self.align != "none" and self.landmarks == "cofw" and self.source != "cofw":
            raise ValueError(f"landmarks: 'cofw' are COFW's own; source is '{self.source}'")
        if not 1 <= self.jpeg_quality <= 100:
            raise ValueError(f"jpeg_quality: must lie in 1-100; got {self.jpeg_quality}")
        if self.samples_per_shard < 1:
            raise ValueError(f"samples_per_shard: must be at least 1; got {self.samples_per_shard}")


@dataclass(frozen=True, kw_only=True)
class Annotated:
    """An image with its mask.

    Attributes:
        name: What errors and records call it.
        data: The image file's own bytes, None if it comes from no file.
        image: (H, W, 3) uint8 RGB.
        seg_map: (H, W) uint8 class ids.
        landmarks: (29, 2) COFW's points, None elsewhere.
    """

    name: str
    data: bytes | None
    image: np.ndarray
    seg_map: np.ndarray
    landmarks: np.ndarray | None = None


class Reader(Protocol):
    """What a benchmark is read through; picklable."""

    keys: list[str]

    def read(self, key: str) -> Annotated:
        """Read one image with its mask; a ValueError names the file."""
        ...

    def info(self) -> dict[str, Any]:
        """Return what the set's info says beyond its sources."""
        ...


class FolderReader:
    """A benchmark in folders: `image/`, `mask/` and, where it is, `split/val.txt`.

    Raises:
        ValueError: If there are no images or no masks, or one of the split has neither.
    """

    def __init__(self, release: Release) -> None:
        self.release = release
        self.images = release.by_stem("*/image/*", "*/images/*", "*/img/*")
        self.masks = release.by_stem("*/mask/*", "*/masks/*")
        splits = release.glob("*/split/*val*.txt")
        self.split = splits[0] if splits else None
        stems = sorted(self.images)
        if self.split is not None:
            stems = [_stem(line) for line in release.lines(self.split)]
            if len(set(stems)) < len(stems):
                raise ValueError(f"{release.folder / self.split}: an image is listed twice")
            if not stems:
                raise ValueError(f"{release.folder / self.split}: an empty list of images")
        for stem in stems:
            for found, what in ((self.images, "image"), (self.masks, "mask")):
                if stem not in found:
                    listed = f"{self.split} lists" if self.split else "there is an image"
                    raise ValueError(f"{release.folder}: {listed} '{stem}', which has no {what}")
        self.stem_of = {re.sub(r"[^0-9A-Za-z_-]+", "_", stem): stem for stem in stems}
        self.keys = list(self.stem_of)

    def read(self, key: str) -> Annotated:
        """Read one image with its mask, which must have the same size."""
        stem = self.stem_of[key]
        name, mask_name = self.images[stem], self.masks[stem]
        data = self.release.read(name)
        image = decode_image(data, name)
        seg_map = to_seg_map(decode_mask(self.release.read(mask_name), mask_name), mask_name)
        if seg_map.shape != image.shape[:2]:
            raise ValueError(
                f"{mask_name}: a mask of {seg_map.shape[0]}x{seg_map.shape[1]} pixels, while its "
                f"image has {image.shape[0]}x{image.shape[1]}; expected the same size"
            )
        return Annotated(name=name.rpartition("/")[2], data=data, image=image, seg_map=seg_map)

    def info(self) -> dict[str, Any]:
        """Say which list chose the images."""
        return {"split": self.split or "all images; the release has no split"}


def _stem(line: str) -> str:
    """Return a listed image's name without folder and image ending."""
    return re.sub(r"\.(jpe?g|png)$", "", line.rpartition("/")[2], flags=re.IGNORECASE)


class WoTestReader:
    """The unoccluded test faces of CelebAMask-HQ with their corrected masks."""

    def __init__(self, release: Release) -> None:
        self.release = release
        images = list_images(release)
        self.subsets = read_subsets(release, images)
        faces = find_faces(release, images, self.subsets.numbers["wo_test"])
        self.faces = {face.key: face for face in faces}
        self.keys = list(self.faces)

    def read(self, key: str) -> Annotated:
        """Read one face; its mask takes the image's size."""
        face = self.faces[key]
        data = self.release.read(face.image)
        image = decode_image(data, face.image)
        seg_map = resize_seg_map(read_corrected(self.release, face, image), image.shape[:2])
        return Annotated(
            name=face.image.rpartition("/")[2], data=data, image=image, seg_map=seg_map
        )

    def info(self) -> dict[str, Any]:
        """Say what was checked of the lists."""
        return self.subsets.info()


class CofwReader:
    """COFW's train images that have masks."""

    def __init__(self, release: Release) -> None:
        self.cofw = CofwTrain(release)
        self.number_of = {
            f"{index + 1:04d}": number for number, index in self.cofw.image_of_mask.items()
        }
        self.keys = list(self.number_of)

    def read(self, key: str) -> Annotated:
        """Read one image with its mask and its own landmarks."""
        index = int(key) - 1
        return Annotated(
            name=f"{self.cofw.mat_name.rpartition('/')[2]}: image {key}",
            data=None,
            image=self.cofw.image(index),
            seg_map=self.cofw.seg_map(self.number_of[key]),
            landmarks=self.cofw.landmarks(index)[0],
        )

    def info(self) -> dict[str, Any]:
        """Say how masks were matched to images."""
        return {
            "mask_numbering": self.cofw.numbering,
            "visible_landmarks_on_mask_frac": round(self.cofw.on_mask_frac, 4),
        }


READERS: dict[str, type[FolderReader] | type[WoTestReader] | type[CofwReader]] = {
    "realocc": FolderReader,
    "realocc_wild": FolderReader,
    "celebamask_hq": WoTestReader,
    "cofw": CofwReader,
}


def import_benchmark(
    name: str,
    release: Release,
    folder: Path,
    params: BenchmarkParams,
    *,
    workers: int | None = None,
) -> ImageSet:
    """Write a benchmark as an image set.

    Faces in which no landmarks are found cannot be aligned: they are left out, listed in the
    set's info as `without_detection`, and counted in the log.

    Args:
        name: The benchmark's name.
        release: Where it comes from; one that is absent gives an empty set that says so.
        folder: The new set.
        params: Alignment and size.
        workers: Processes; None for one a core. Changes no byte.

    Raises:
        ValueError: If the source is no benchmark's, images or masks are missing, a file cannot
            be read, or no face can be aligned; names the file.
    """
    if params.source not in READERS:
        raise ValueError(
            f"source: must be one of {', '.join(READERS)} for a benchmark; got '{params.source}'"
        )
    info: dict[str, Any] = {
        "kind": "benchmark",
        "name": name,
        "sources": [params.source],
        "align": params.align,
    }
    if release.absent:
        return write_image_set(folder, [], info={**info, "absent": release.absent})
    reader: Reader = READERS[params.source](release)
    info |= reader.info()
    detector = None
    if params.align == "ffhq":
        info |= {"landmarks": params.landmarks, "without_detection": []}
        detector = LandmarkDetector() if params.landmarks == "dlib" else None
    load = functools.partial(load_sample, reader=reader, params=params, detector=detector)
    loaded = ordered_map(load, reader.keys, desc=f"benchmarks/{name}", workers=workers)
    image_set = write_image_set(
        folder,
        _detected(loaded, info),
        info=info,
        samples_per_shard=params.samples_per_shard,
    )
    if left_out := info.get("without_detection"):
        logging.info("%s: %d faces without a detection are left out", name, len(left_out))
    return image_set


def _detected(
    loaded: Iterator[tuple[str, dict[str, bytes] | None]], info: dict[str, Any]
) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Pass on what could be aligned, and list the rest in the set's info."""
    found = 0
    for key, parts in loaded:
        if parts is None:
            info["without_detection"].append(key)
        else:
            found += 1
            yield key, parts
    if not found:
        raise ValueError(f"benchmark {info['name']}: no face was found in any image")


def load_sample(
    key: str, *, reader: Reader, params: BenchmarkParams, detector: LandmarkDetector | None
) -> tuple[str, dict[str, bytes] | None]:
    """Read one image with its mask, aligned or resized, as a sample of an image set.

    Returns:
        The key, and the parts `jpg`, `png`, `json`; None if no landmarks were found.
    """
    sample = reader.read(key)
    record: dict[str, Any] = {
        "name": sample.name,
        "source": params.source,
        "occluder_kind": match[1] if (match := _KIND.search(key)) else None,
        "release_size": list(sample.image.shape[:2]),
    }
    if params.align == "ffhq":
        points = _alignment_points(sample, detector)
        if points is None:
            return key, None
        square = ffhq_square(points)
        seg_map = align_seg_map(sample.seg_map, square, params.size_px)
        aligned = align_image(sample.image, square, params.size_px)
        jpeg = encode_jpeg(aligned, params.jpeg_quality)
        record |= {"square": square.round(3).tolist(), "points": points.round(3).tolist()}
    else:
        size = fitted_size(sample.image.shape[:2], params.size_px)
        seg_map = resize_seg_map(sample.seg_map, size)
        jpeg = fitted_jpeg(sample.data or b"", sample.image, size, params.jpeg_quality)
    record |= {
        "size": list(seg_map.shape),
        "face_frac": float((seg_map == FACE).mean()),
        "ignored_frac": float((seg_map == IGNORED).mean()),
    }
    return key, {"jpg": jpeg, "png": encode_png(seg_map), "json": encode_record(record)}


def _alignment_points(sample: Annotated, detector: LandmarkDetector | None) -> np.ndarray | None:
    """Return the four points of FFHQ's square: detected, or from COFW's own landmarks."""
    if detector is None:
        if sample.landmarks is None:
            raise ValueError(f"{sample.name}: has no landmarks of its own; use landmarks: dlib")
        return points_of_29(sample.landmarks)
    found = detector.find(sample.image, sample.seg_map == FACE)
    return None if found is None else points_of_68(found)
