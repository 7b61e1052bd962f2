"""Occlude a folder of faces: images and masks in, images, masks and records out."""

from __future__ import annotations

import functools
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from face_occlusion.apps.folders import SUFFIXES, Pair, pair_files
from face_occlusion.core.images import (
    decode_image,
    decode_mask,
    decode_rgba,
    encode_jpeg,
    encode_png,
    to_seg_map,
)
from face_occlusion.core.imageset import INDEX, ImageSet, encode_record
from face_occlusion.core.imageset.writer import written_aside
from face_occlusion.core.parallel import ordered_map
from face_occlusion.generation.compositing import HALF, add_alpha
from face_occlusion.generation.occluder import Occluder, make_occluder
from face_occlusion.generation.occlusion import ClassIds, OccluderSource, occlude, sample_rng
from face_occlusion.generation.params import GenerateParams
from face_occlusion.generation.store import OccluderStore, TextureStore, open_store
from face_occlusion.occluders.direction import find_pose


@dataclass(frozen=True, kw_only=True)
class FolderOptions:
    """How a folder is occluded.

    Attributes:
        params: Method and ranges.
        class_ids: Meaning of the masks' ids; None reads plain face masks (0/1, 0/255).
        occluder_masks: Folder of masks, named like the images of occluders; None if the files of
            occluders are RGBA.
        hands: Occluders in a folder of files are hands: they reach for the face.
        lossless: Write PNG instead of JPEG images.
    """

    params: GenerateParams
    class_ids: ClassIds | None
    occluder_masks: Path | None
    hands: bool
    lossless: bool


def occlude_folder(
    faces: Path,
    masks: Path,
    occluders: Path,
    out: Path,
    options: FolderOptions,
    workers: int | None = None,
) -> int:
    """Occlude every face of a folder once.

    Writes `images/KEY.jpg` (or .png), `masks/KEY.png` and `records/KEY.json` under `out`, aside
    and renamed when complete. A sample depends on its own name and the seed alone.

    Args:
        faces: Folder of images of any size and common format.
        masks: Folder of masks, named like their images.
        occluders: An image set, a folder of RGBA files with straight alpha or of images with
            `options.occluder_masks` (NatOcc), or a folder of textures (RandOcc).
        out: New folder.
        options: How.
        workers: Processes; None for one a core.

    Returns:
        The number of samples.

    Raises:
        ValueError: If an image lacks its mask, a file is unreadable, or a face cannot be
            occluded within the bounds: names it. Nothing is then written.
    """
    pairs = pair_files(faces, masks)
    with (
        tempfile.TemporaryDirectory(prefix="face-occlusion-") as scratch,
        written_aside(out) as partial,
    ):
        source = read_occluders(occluders, options, Path(scratch))
        work = functools.partial(_occlude_pair, source=source, options=options)
        for key, files in ordered_map(work, pairs, desc=f"occlude {faces.name}", workers=workers):
            for folder, suffix, content in files:
                (partial / folder).mkdir(exist_ok=True)
                (partial / folder / f"{key}{suffix}").write_bytes(content)
    return len(pairs)


def _occlude_pair(
    pair: Pair, source: OccluderSource, options: FolderOptions
) -> tuple[str, list[tuple[str, str, bytes]]]:
    """Occlude one face; return its key and (folder, suffix, content) of each file."""
    image = decode_image(pair.image.read_bytes(), str(pair.image))
    mask = decode_mask(pair.mask.read_bytes(), str(pair.mask))
    class_ids = options.class_ids or ClassIds()
    if options.class_ids is None:
        mask = to_seg_map(mask, str(pair.mask))
    params = options.params
    try:
        rng = sample_rng(pair.key, params.seed)
        image, seg_map, record = occlude(image, mask, source, rng, params, class_ids)
    except ValueError as error:
        raise ValueError(f"{pair.image}: {error}") from error
    record |= {"face": pair.image.name, "seed": params.seed}
    if options.class_ids is None:
        seg_map = _viewable(seg_map)
    picture = encode_png(image) if options.lossless else encode_jpeg(image, params.jpeg_quality)
    text = json.dumps(json.loads(encode_record(record)), indent=2, ensure_ascii=False)
    return pair.key, [
        ("images", ".png" if options.lossless else ".jpg", picture),
        ("masks", ".png", encode_png(seg_map)),
        ("records", ".json", f"{text}\n".encode()),
    ]


def _viewable(seg_map: np.ndarray) -> np.ndarray:
    """Write face as 255, so that viewers show it, unless 255 already means "ignored"."""
    return seg_map if (seg_map == 255).any() else seg_map * np.uint8(255)


def read_occluders(occluders: Path, options: FolderOptions, scratch: Path) -> OccluderSource:
    """Read what occludes: an image set, or a folder of files.

    Args:
        occluders: The folder.
        options: The method, and whether cut-outs are hands.
        scratch: Folder for decoded cut-outs; must outlive the result.

    Raises:
        ValueError: If there is nothing fitting in it; names the folder.
    """
    if (occluders / INDEX).is_file():
        image_set = ImageSet(occluders)
        if image_set.absent is not None:
            raise ValueError(f"{occluders}: holds no samples: {image_set.absent}")
        return open_store(image_set, options.params.method, scratch / "occluders.bin")
    if options.occluder_masks is not None:
        pairs = pair_files(occluders, options.occluder_masks)
        masked = (_mask_cutout(pair, hand=options.hands) for pair in pairs)
        return OccluderStore(masked, scratch / "occluders.bin")
    if not occluders.is_dir():
        raise ValueError(f"{occluders}: no such folder")
    files = sorted(path for path in occluders.iterdir() if path.suffix.lower() in SUFFIXES)
    if not files:
        raise ValueError(f"{occluders}: holds no image; looked for {', '.join(SUFFIXES)}")
    if options.params.method == "randocc":
        paths = {path.stem: path for path in files}
        return TextureStore(sorted(paths), functools.partial(_load_texture, paths))
    cutouts = (_read_cutout(path, hand=options.hands) for path in files)
    return OccluderStore(cutouts, scratch / "occluders.bin")


def holds_hands(occluders: Path) -> bool:
    """Say whether a folder is an image set of hands: cut-outs that point somewhere."""
    if not (occluders / INDEX).is_file():
        return False
    image_set = ImageSet(occluders)
    return any(image_set.record(key).get("pointing_deg") is not None for key in image_set.keys[:1])


def _load_texture(paths: dict[str, Path], key: str) -> np.ndarray:
    return decode_image(paths[key].read_bytes(), str(paths[key]))


def _read_cutout(path: Path, *, hand: bool) -> Occluder:
    """Read one RGBA file with straight alpha."""
    return _make_cutout(decode_rgba(path.read_bytes(), str(path)), path, hand=hand)


def _mask_cutout(pair: Pair, *, hand: bool) -> Occluder:
    """Cut an image out along its mask, 0/1 or 0/255."""
    image = decode_image(pair.image.read_bytes(), str(pair.image))
    mask = to_seg_map(decode_mask(pair.mask.read_bytes(), str(pair.mask)), str(pair.mask))
    if mask.shape != image.shape[:2]:
        raise ValueError(
            f"{pair.mask} must have the size of {pair.image}, {image.shape[:2]}; got {mask.shape}"
        )
    alpha = np.where(mask == 1, 255, 0).astype(np.uint8)
    return _make_cutout(add_alpha(image, alpha), pair.image, hand=hand)


def _make_cutout(straight: np.ndarray, path: Path, *, hand: bool) -> Occluder:
    """Crop straight RGBA to its coverage, premultiply and measure it."""
    alpha = straight[..., 3]
    if not (alpha >= HALF).any():
        raise ValueError(f"{path}: covers no pixel by half; an occluder must cover something")
    pose = find_pose(alpha >= HALF) if hand else None
    rows, columns = np.flatnonzero(alpha.any(axis=1)), np.flatnonzero(alpha.any(axis=0))
    straight = straight[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    alpha = straight[..., 3:].astype(np.uint16)
    cutout = straight.copy()
    cutout[..., :3] = (straight[..., :3] * alpha + 127) // 255
    return make_occluder(
        cutout,
        key=path.stem,
        pointing_deg=pose and pose.pointing_deg,
        enters=pose.enters if pose else "none",
    )
