"""Occlude a folder of faces: images and masks in, images, masks and records out."""

import functools
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from face_occlusion.apps.folders import (
    Pair,
    files_by_stem,
    pair_files,
    read_image,
    read_seg_map,
    write_files,
)
from face_occlusion.core.classes import IGNORED, to_seg_map
from face_occlusion.core.images import decode_mask, decode_rgba, encode_jpeg, encode_png
from face_occlusion.core.imageset import INDEX, ImageSet, encode_record
from face_occlusion.core.parallel import ordered_map
from face_occlusion.generation.compositing import HALF, add_alpha
from face_occlusion.generation.geometry import Occluder, make_occluder
from face_occlusion.generation.occlusion import ClassIds, OccluderSource, occlude, sample_rng
from face_occlusion.generation.params import GenerateParams
from face_occlusion.generation.store import OccluderStore, TextureStore, open_store
from face_occlusion.occluders.direction import find_pose


def occlude_pairs(
    pairs: Sequence[Pair],
    source: OccluderSource,
    out: Path,
    params: GenerateParams,
    class_ids: ClassIds | None = None,
    workers: int | None = None,
) -> None:
    """Occlude every face once.

    Writes `images/KEY.jpg` (.png if `params` keep the background), `masks/KEY.png` and
    `records/KEY.json` under `out`, atomically. A sample depends only on its name and the seed.

    Images may have any size and common format. `class_ids` gives the meaning of the masks' ids,
    None for face masks (0/1, 0/255); `workers` is None for one process per core.

    Raises:
        ValueError: If a file is unreadable, or a face cannot be occluded within the ranges: names
            it. Nothing is then written.
    """
    work = functools.partial(_occlude_pair, source=source, params=params, class_ids=class_ids)
    desc = f"occlude {pairs[0].image.parent.name}"
    occluded = ordered_map(work, pairs, desc=desc, workers=workers)
    write_files(out, (file for files in occluded for file in files))


def _occlude_pair(
    pair: Pair, source: OccluderSource, params: GenerateParams, class_ids: ClassIds | None
) -> list[tuple[str, bytes]]:
    image = read_image(pair.image)
    mask = decode_mask(pair.mask.read_bytes(), str(pair.mask))
    if class_ids is None:
        mask = to_seg_map(mask, str(pair.mask))
    rng = sample_rng(pair.key, params.seed)
    try:
        image, seg_map, record = occlude(image, mask, source, rng, params, class_ids or ClassIds())
    except ValueError as error:
        raise ValueError(f"{pair.image}: {error}") from error
    record |= {"face": pair.image.name, "seed": params.seed}
    if class_ids is None and not (seg_map == IGNORED).any():  # 255 already means "ignored"
        seg_map = seg_map * np.uint8(255)  # viewers show face as white
    lossless = params.keep_background
    picture = encode_png(image) if lossless else encode_jpeg(image, params.jpeg_quality)
    text = json.dumps(json.loads(encode_record(record)), indent=2, ensure_ascii=False)
    return [
        (f"images/{pair.key}{'.png' if lossless else '.jpg'}", picture),
        (f"masks/{pair.key}.png", encode_png(seg_map)),
        (f"records/{pair.key}.json", f"{text}\n".encode()),
    ]


def read_occluders(
    occluders: Path, method: str, scratch: Path, *, masks: Path | None = None, hands: bool = False
) -> OccluderSource:
    """Read the occluders of an image set or of a folder of files.

    `occluders` is an image set, a folder of RGBA files with straight alpha or of images with
    `masks` of the same names (`natocc`), or a folder of textures (`randocc`). Decoded cut-outs go
    into `scratch`, which must outlive the result. `hands` says that files show hands, which reach
    for the face.

    Raises:
        ValueError: If it holds no occluders for the method; names the folder.
    """
    if (occluders / INDEX).is_file():
        image_set = ImageSet(occluders)
        if image_set.absent is not None:
            raise ValueError(f"{occluders}: holds no samples: {image_set.absent}")
        return open_store(image_set, method, scratch / "occluders.bin")
    if masks is not None:
        pairs = pair_files(occluders, masks)
        cutouts = (_make_cutout(_cut_out(pair), pair.image, hand=hands) for pair in pairs)
        return OccluderStore(cutouts, scratch / "occluders.bin")
    files = files_by_stem(occluders)
    if method == "randocc":
        return TextureStore(sorted(files), functools.partial(_load_texture, files))
    decoded = ((path, decode_rgba(path.read_bytes(), str(path))) for path in files.values())
    cutouts = (_make_cutout(straight, path, hand=hands) for path, straight in decoded)
    return OccluderStore(cutouts, scratch / "occluders.bin")


def holds_hands(occluders: Path) -> bool:
    """Tell whether a folder is an image set of hands, whose records have a pointing direction."""
    if not (occluders / INDEX).is_file():
        return False
    image_set = ImageSet(occluders)
    return any(image_set.record(key).get("pointing_deg") is not None for key in image_set.keys[:1])


def _load_texture(paths: dict[str, Path], key: str) -> np.ndarray:
    return read_image(paths[key])


def _cut_out(pair: Pair) -> np.ndarray:
    image = read_image(pair.image)
    mask = read_seg_map(pair.mask, image, pair.image)
    return add_alpha(image, np.where(mask == 1, 255, 0).astype(np.uint8))


def _make_cutout(straight: np.ndarray, path: Path, *, hand: bool) -> Occluder:
    """Crop straight RGBA to its coverage, premultiply it and find a hand's direction."""
    alpha = straight[..., 3]
    if not (alpha >= HALF).any():
        raise ValueError(f"{path}: covers no pixel by half; an occluder must cover something")
    pose = find_pose(alpha >= HALF) if hand else None
    rows, columns = np.flatnonzero(alpha.any(axis=1)), np.flatnonzero(alpha.any(axis=0))
    straight = straight[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    alpha = straight[..., 3:].astype(np.uint16)
    cutout = straight.copy()
    cutout[..., :3] = (straight[..., :3] * alpha + 127) // 255
    pointing_deg, enters = (pose.pointing_deg, pose.enters) if pose else (None, "none")
    return make_occluder(cutout, key=path.stem, pointing_deg=pointing_deg, enters=enters)
