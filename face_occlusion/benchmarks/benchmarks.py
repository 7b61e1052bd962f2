"""Import benchmarks: RealOcc, RealOcc-Wild, COFW, and CelebAMask-HQ's unoccluded test faces."""

import dataclasses
import functools
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from face_occlusion.alignment.alignment import align, align_seg_map
from face_occlusion.alignment.landmarks import LandmarkDetector, points_of
from face_occlusion.benchmarks.readers import READERS, Annotated, Reader
from face_occlusion.core.classes import FACE, IGNORED, resize_seg_map
from face_occlusion.core.images import encode_jpeg, encode_png, fitted_jpeg, fitted_size
from face_occlusion.core.imageset import ImageSet, encode_record, write_image_set
from face_occlusion.core.parallel import ordered_map
from face_occlusion.core.params import Checked, Count, JpegQuality
from face_occlusion.core.release import Release

NO_FILE = "none"
_KIND = re.compile(r"\d+_([a-z][a-z_]*)$")  # occ_010_sunglasses -> sunglasses


@dataclass(frozen=True, kw_only=True)
class BenchmarkParams(Checked):
    """Section `benchmarks.NAME` of params.yaml."""

    source: Literal["realocc", "realocc_wild", "celebamask_hq", "cofw"]  # a key of `sources`
    align: Literal["none", "ffhq"]  # none, or ffhq: an oriented square from eyes and mouth
    landmarks: Literal["dlib", "cofw"]  # for ffhq: dlib (detected) or cofw (the data set's own)
    by_hand: str  # for ffhq: file in annotations/landmarks/, used before other landmarks, or none
    size_px: int  # aligned: side; else longer side, 0 keeps the release's
    jpeg_quality: JpegQuality  # of images that are encoded again; others keep their bytes
    samples_per_shard: Count

    def __post_init__(self) -> None:
        super().__post_init__()
        if Path(self.by_hand).name != self.by_hand:
            wanted = "must be a file name in annotations/landmarks"
            raise ValueError(f"by_hand: {wanted}; got '{self.by_hand}'")
        if self.by_hand != NO_FILE and self.align == "none":
            raise ValueError("by_hand: landmarks have an effect only where align is ffhq")
        if self.size_px < 16 and (self.size_px != 0 or self.align != "none"):
            wanted = "must be at least 16, or 0 where nothing is aligned"
            raise ValueError(f"size_px: {wanted}; got {self.size_px}")
        if self.align != "none" and self.landmarks == "cofw" and self.source != "cofw":
            raise ValueError(f"landmarks: 'cofw' are COFW's own; source is '{self.source}'")


def import_benchmark(
    name: str,
    release: Release,
    folder: Path,
    params: BenchmarkParams,
    by_hand: Mapping[str, np.ndarray],
) -> ImageSet:
    """Write a benchmark as an image set.

    Faces in which no landmarks are found cannot be aligned: they are left out, listed in the
    set's info as `without_detection`, and named in the log. Landmarks given `by_hand`, as
    `read_landmarks` returns them, are used before others and add them. A release that is absent
    gives an empty set that says so.

    Missing images or masks, a file that cannot be read, landmarks for an image that the benchmark
    does not have, and no face that can be aligned are a ValueError that names the file.
    """
    info: dict[str, Any] = {"kind": "benchmark", "name": name, **release.provenance()}
    info |= {"align": params.align, "params": dataclasses.asdict(params)}
    if release.absent:
        return write_image_set(folder, [], info={**info, "absent": release.absent})
    reader: Reader = READERS[params.source](release)
    info |= reader.info()
    detector = None
    if unknown := sorted(set(by_hand) - set(reader.keys)):
        raise ValueError(
            f"by_hand: has landmarks of {', '.join(unknown[:5])}, not among the "
            f"{len(reader.keys)} images of {name}; a key looks like {reader.keys[0]}"
        )
    if params.align == "ffhq":
        info |= {"landmarks": params.landmarks, "by_hand": sorted(by_hand), "without_detection": []}
        detector = LandmarkDetector() if params.landmarks == "dlib" else None
    how = {"reader": reader, "params": params, "detector": detector, "by_hand": by_hand}
    load = functools.partial(load_sample, **how)
    loaded = ordered_map(load, reader.keys, desc=f"benchmarks/{name}")
    samples, size = _detected(loaded, info), params.samples_per_shard
    image_set = write_image_set(folder, samples, info=info, samples_per_shard=size)
    if left_out := info.get("without_detection"):
        logging.info(
            "%s: %d faces without a detection are left out; landmarks given by hand "
            "(benchmarks.%s.by_hand) add them: %s",
            *(name, len(left_out), name, ", ".join(left_out)),
        )
    return image_set


def _detected(
    loaded: Iterator[tuple[str, dict[str, bytes] | None]], info: dict[str, Any]
) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Pass on the samples that could be aligned, and list the other keys in the set's info."""
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
    key: str,
    *,
    reader: Reader,
    params: BenchmarkParams,
    detector: LandmarkDetector | None,
    by_hand: Mapping[str, np.ndarray],
) -> tuple[str, dict[str, bytes] | None]:
    """Read one image with its mask, aligned or resized, as a sample of an image set.

    Returns the key, and the parts `jpg`, `png`, `json`; None if no landmarks were found.
    """
    sample = reader.read(key)
    record: dict[str, Any] = {
        "name": sample.name,
        "source": params.source,
        "identity": sample.identity,
        "occluder_kind": match[1] if (match := _KIND.search(key)) else None,
        "release_size": list(sample.image.shape[:2]),
    }
    if params.align == "ffhq":
        given = by_hand.get(key)
        points = _alignment_points(sample, detector) if given is None else given
        if points is None:
            return key, None
        aligned = align(sample.image, points, params.size_px)
        seg_map = align_seg_map(sample.seg_map, aligned.square, params.size_px)
        jpeg = encode_jpeg(aligned.image, params.jpeg_quality)
        record |= {
            "square": aligned.square.round(3).tolist(),
            "points": points.round(3).tolist(),
            "points_by": params.landmarks if given is None else "hand",
        }
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
    """Return the four points of FFHQ's square: detected, or of COFW's own landmarks."""
    if detector is None:
        if sample.landmarks is None:
            raise ValueError(f"{sample.name}: has no landmarks of its own; use landmarks: dlib")
        return points_of(sample.landmarks)
    found = detector.find(sample.image, sample.seg_map == FACE)
    return None if found is None else points_of(found)
