"""Occlude a file of a face: image and mask in, image, mask and record out."""

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from face_occlusion.apps import folders
from face_occlusion.core.images import decode_mask, decode_rgba, encode_jpeg, encode_png
from face_occlusion.core.imageset import INDEX, ImageSet, encode_record
from face_occlusion.cutouts import crop_to_alpha, premultiply
from face_occlusion.generation import occlusion
from face_occlusion.generation.compositing import HALF, add_alpha
from face_occlusion.generation.geometry import Occluder, make_occluder
from face_occlusion.generation.params import GenerateParams
from face_occlusion.generation.store import OccluderStore, TextureStore, open_store
from face_occlusion.occluders.direction import find_pose


def occlude_pair(
    pair: folders.Pair,
    *,
    source: occlusion.OccluderSource,
    params: GenerateParams,
    class_ids: occlusion.ClassIds | None,
    about: Mapping[str, Any],
) -> list[tuple[str, bytes]]:
    """Occlude a face; return the files of the sample, which depends on its name and the seed.

    They are `images/KEY.jpg` (.png if the parameters keep the background), `masks/KEY.png` and
    `records/KEY.json`. The mask is a face mask (0/1, 0/255, 0/1/255) unless `class_ids` are named,
    and the record says `about` too. A ValueError names the face that is unreadable, or that no
    place in the ranges occludes.
    """
    image = folders.read_image(pair.image)
    if class_ids is None:
        mask = folders.read_seg_map(pair.mask, image, pair.image)
    else:
        mask = decode_mask(pair.mask.read_bytes(), str(pair.mask))
    rng = occlusion.sample_rng(pair.key, params.seed)
    meaning = class_ids or occlusion.ClassIds()
    try:
        image, seg_map, record = occlusion.occlude(image, mask, source, rng, params, meaning)
    except occlusion.NoPlacementError as error:
        low, high = params.covered_frac_range
        raise ValueError(
            f"{pair.image}: none of {params.max_attempts} places covers {low:g} to {high:g} of "
            "the face: widen --covered or --scale, or leave it out"
        ) from error
    except ValueError as error:
        raise ValueError(f"{pair.image}: {error}") from error
    record |= {"face": pair.image.name, "seed": params.seed, **about}
    lossless = params.keep_background
    picture = encode_png(image) if lossless else encode_jpeg(image, params.jpeg_quality)
    text = json.dumps(json.loads(encode_record(record)), indent=2, ensure_ascii=False)
    shown = encode_png(seg_map) if class_ids else folders.viewable(seg_map)
    return [
        (f"images/{pair.key}{'.png' if lossless else '.jpg'}", picture),
        (f"masks/{pair.key}.png", shown),
        (f"records/{pair.key}.json", f"{text}\n".encode()),
    ]


def read_occluders(
    occluders: Path, method: str, scratch: Path, *, masks: Path | None = None, hands: bool = False
) -> occlusion.OccluderSource:
    """Read the occluders of an image set, of RGBA files or images with `masks`, or of textures.

    Decoded cut-outs go into `scratch`, which must outlive the result. `hands` says that files show
    hands, which reach for the face. A folder without occluders for the method is a ValueError.
    """
    if masks is not None and (method == "randocc" or (occluders / INDEX).is_file()):
        raise ValueError("--occluder-masks: only for natocc, with a folder of images")
    if (occluders / INDEX).is_file():
        image_set = ImageSet(occluders)
        if image_set.absent is not None:
            raise ValueError(f"{occluders}: holds no samples: {image_set.absent}")
        return open_store(image_set, method, scratch / "occluders.bin")
    if masks is not None:
        pairs = folders.pair_files(occluders, masks)
        cutouts = (_make_cutout(_cut_out(pair), pair.image, hand=hands) for pair in pairs)
    else:
        files = folders.files_by_stem(occluders)
        if method == "randocc":
            return TextureStore(sorted(files), functools.partial(_load_texture, files))
        cutouts = (read_occluder(path, hand=hands) for path in files.values())
    return OccluderStore(cutouts, scratch / "occluders.bin")


def read_occluder(path: Path | str, *, hand: bool = False) -> Occluder:
    """Read a cut-out from an RGBA file with straight alpha, as image programs and `unpack` write.

    A hand's pointing direction is found in its outline. For an array of premultiplied RGBA, such as
    `ImageSet.cutout` returns, see `face_occlusion.generation.make_occluder`. What is no PNG with
    8-bit RGBA, or covers no pixel by half, is a ValueError.
    """
    path = Path(path)
    return _make_cutout(decode_rgba(path.read_bytes(), str(path)), path, hand=hand)


def kind_of_cutouts(occluders: Path, *, hands: bool = False) -> str:
    """Tell what a folder of cut-outs holds: `hands`, `glasses` or `objects`.

    The records of an image set say so; `hands` says it of other folders.
    """
    if hands or not (occluders / INDEX).is_file():
        return "hands" if hands else "objects"
    image_set = ImageSet(occluders)
    first = image_set.record(image_set.keys[0]) if len(image_set) else {}
    if first.get("pointing_deg") is not None:
        return "hands"
    return "glasses" if first.get("category") == "glasses" else "objects"


def _load_texture(paths: dict[str, Path], key: str) -> np.ndarray:
    return folders.read_image(paths[key])


def _cut_out(pair: folders.Pair) -> np.ndarray:
    image = folders.read_image(pair.image)
    mask = folders.read_seg_map(pair.mask, image, pair.image)
    return add_alpha(image, np.where(mask == 1, 255, 0).astype(np.uint8))


def _make_cutout(straight: np.ndarray, path: Path, *, hand: bool) -> Occluder:
    """Crop straight RGBA to its coverage, premultiply it and find a hand's direction."""
    alpha = straight[..., 3]
    if not (alpha >= HALF).any():
        raise ValueError(f"{path}: covers no pixel by half; an occluder must cover something")
    pose = find_pose(alpha >= HALF) if hand else None
    straight = crop_to_alpha(straight)
    cutout = premultiply(straight[..., :3], straight[..., 3] / 255)
    pointing_deg, enters = (pose.pointing_deg, pose.enters) if pose else (None, "none")
    return make_occluder(cutout, key=path.stem, pointing_deg=pointing_deg, enters=enters)
