"""Folders of image and mask files: read, show and pack them as image sets, and unpack those."""

import functools
import json
import logging
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from face_occlusion.core.classes import to_seg_map
from face_occlusion.core.files import atomic_folder, check_name, read_json
from face_occlusion.core.images import (
    decode_image,
    decode_mask,
    decode_rgba,
    encode_jpeg,
    encode_palette_png,
    encode_png,
    is_plain_jpeg,
    straight_alpha,
)
from face_occlusion.core.imageset import ImageSet, write_image_set
from face_occlusion.core.imageset.format import check_key, encode_record
from face_occlusion.core.parallel import ordered_map
from face_occlusion.cutouts import premultiply

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif")
FACE_IS_WHITE = "face is 255 (white), background 0"
OR_PALETTE = f"{FACE_IS_WHITE}; with ignored pixels (grey) a palette image of 0, 1, 255"
NOT_READ = (".heic", ".heif", ".avif", ".jxl", ".jp2")  # photographs that nothing here decodes
SHOWN_IN_VIEWERS = {0: (0, 0, 0), 1: (255, 255, 255), 255: (128, 128, 128)}

_FOLDERS = {
    "jpg": "images",
    "png": "masks",
    "original.png": "masks_original",
    "rgba.png": "cutouts",
}
_FEW = 64  # files, which one process packs before a pool of processes would have started


class Pair(NamedTuple):
    """An image file and its mask, and the key they get."""

    key: str
    image: Path
    mask: Path


def files_by_stem(folder: Path) -> dict[str, Path]:
    """Map the names of a folder's images, without their suffix, to their files, sorted.

    Photographs of formats that are not read are left out, and counted in a warning. No folder, no
    image in it, two of one name, and a name that is not UTF-8 are a ValueError. A link that leads
    nowhere counts as a file: reading it fails.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder")
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.suffix.lower() not in SUFFIXES or path.is_dir():
            continue
        if other := files.get(check_name(path).stem):
            raise ValueError(f"{path} and {other} have the same name except for the suffix")
        files[path.stem] = path
    if unread := sum(path.suffix.lower() in NOT_READ for path in folder.iterdir()):
        logging.warning("%s: %d left out, %s are not read", folder, unread, ", ".join(NOT_READ))
    if not files:
        inside = name_few([path.name for path in sorted(folder.iterdir()) if path.is_dir()])
        hint = f"; not read: its folders {inside}" if inside else ""
        raise ValueError(f"{folder}: holds no image; looked for {', '.join(SUFFIXES)}{hint}")
    return files


def pair_files(images: Path, masks: Path) -> list[Pair]:
    """Match images and masks by file name without suffix; sorted by key.

    The name becomes the key, its dots and white space replaced by "_". An image without a mask, a
    mask without an image, and two files of one key are a ValueError.
    """
    by_stem, masks_by_stem = files_by_stem(images), files_by_stem(masks)
    if lonely := [path.name for stem, path in by_stem.items() if stem not in masks_by_stem]:
        raise ValueError(f"{masks}: no mask for {name_few(lonely)}")
    if lonely := [path.name for stem, path in masks_by_stem.items() if stem not in by_stem]:
        raise ValueError(f"{images}: no image for {name_few(lonely)}")
    pairs: dict[str, Pair] = {}
    for stem, image in by_stem.items():
        key = check_key(re.sub(r"[\s.]", "_", stem))
        if key in pairs:
            raise ValueError(f"{image} and {pairs[key].image} would both get the key '{key}'")
        pairs[key] = Pair(key, image, masks_by_stem[stem])
    return [pairs[key] for key in sorted(pairs)]


def name_few(names: Sequence[str], most: int = 5) -> str:
    """List the first names, and count the others."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def read_image(path: Path) -> np.ndarray:
    """Decode a file of any common format to (H, W, 3) uint8 RGB."""
    return decode_image(path.read_bytes(), str(path))


def read_seg_map(path: Path, image: np.ndarray, image_path: Path) -> np.ndarray:
    """Decode a file of a face mask (see `to_seg_map`), which must have the size of its image."""
    seg_map = to_seg_map(decode_mask(path.read_bytes(), str(path)), str(path))
    if seg_map.shape != image.shape[:2]:
        raise ValueError(
            f"{path} must have the size of {image_path}, height x width "
            f"{image.shape[0]}x{image.shape[1]}; got {seg_map.shape[0]}x{seg_map.shape[1]}"
        )
    return seg_map


def write_files(folder: Path, files: Iterable[tuple[str, bytes]]) -> None:
    """Write files, given as (path below the folder, content), into a new folder, atomically."""
    with atomic_folder(folder) as partial:
        for name, content in files:
            path = partial / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)


def pack_folder(
    images: Path,
    masks: Path,
    folder: Path,
    *,
    info: dict[str, Any],
    samples_per_shard: int = 256,
    jpeg_quality: int = 95,
) -> ImageSet:
    """Write files as a new image set, ordered by key; see `pair_files`.

    A JPEG is copied byte for byte, unless it is rotated by its EXIF orientation or in CMYK;
    everything else is encoded as JPEG (4:4:4) of quality `jpeg_quality`, 1-100. `info` and
    `samples_per_shard` are those of `write_image_set`. Nothing is written if files do not match, in
    size or in name, or one is unreadable: a ValueError names them.
    """
    pairs = pair_files(images, masks)
    pack = functools.partial(_pack_pair, source=info["name"], jpeg_quality=jpeg_quality)
    workers = 1 if len(pairs) <= _FEW else None
    samples = ordered_map(pack, pairs, desc=f"pack {info['name']}", workers=workers)
    return write_image_set(folder, samples, info=info, samples_per_shard=samples_per_shard)


def _pack_pair(pair: Pair, source: str, jpeg_quality: int) -> tuple[str, dict[str, bytes]]:
    data = pair.image.read_bytes()
    image = decode_image(data, str(pair.image))
    seg_map = read_seg_map(pair.mask, image, pair.image)
    if not is_plain_jpeg(data):
        data = encode_jpeg(image, jpeg_quality)
    record = {
        "name": pair.image.name,
        "mask": pair.mask.name,
        "source": source,
        "size": list(seg_map.shape),
        "occluder_kind": None,
    }
    return pair.key, {"jpg": data, "png": encode_png(seg_map), "json": encode_record(record)}


def unpack_image_set(image_set: ImageSet, folder: Path, *, ids: bool = False) -> None:
    """Write an image set as files that viewers and annotation tools open.

    - `images/KEY.jpg`, byte for byte;
    - `masks/KEY.png`, `masks_original/KEY.png`: face 255 and background 0. With `ids`, or with
      ignored pixels, a palette image of the class ids 0, 1, 255, shown as black, white, grey;
    - `cutouts/KEY.png`, RGBA with straight alpha;
    - `records/KEY.json`, indented; other parts in a folder named after the part.

    A folder in use, and an absent set, are a ValueError.
    """
    if image_set.absent:
        raise ValueError(f"{image_set.folder}: holds no samples: {image_set.absent}")
    keys = tqdm(image_set.keys, desc=f"unpack {image_set.info['name']}", mininterval=0.5)
    parts = ((key, part) for key in keys for part in image_set.parts(key))
    write_files(folder, (_unpack_part(image_set, key, part, ids) for key, part in parts))


def _unpack_part(image_set: ImageSet, key: str, part: str, ids: bool) -> tuple[str, bytes]:
    if part == "json":
        text = json.dumps(image_set.record(key), indent=2, ensure_ascii=False)
        return f"records/{key}.json", f"{text}\n".encode()
    name = f"{_FOLDERS.get(part, part)}/{key}.{part.rpartition('.')[2]}"
    if part == "rgba.png":
        return name, encode_png(straight_alpha(image_set.cutout(key)))
    if part in ("png", "original.png"):
        seg_map = image_set.seg_map(key, part)
        return name, encode_palette_png(seg_map, SHOWN_IN_VIEWERS) if ids else viewable(seg_map)
    return name, image_set.read(key, part)


def viewable(seg_map: np.ndarray) -> bytes:
    """Encode uint8 class ids, or bool, for viewers; `to_seg_map` reads all that hold a face."""
    if (seg_map <= 1).all():
        return encode_png(seg_map * np.uint8(255))
    return encode_palette_png(seg_map, SHOWN_IN_VIEWERS)


class FileSet:
    """The files in `images` or `cutouts`, with those of the same name in `masks` and `records`.

    `occlude`, `unpack` and `align` write such folders; any other is a ValueError. It has what a
    contact sheet asks of an `ImageSet`.
    """

    absent = None

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise ValueError(f"{folder}: no such folder; `dvc repro` makes the pipeline's")
        self.folder = folder
        found = {part: folder / name for part, name in _FOLDERS.items()}
        self._files = {part: files_by_stem(path) for part, path in found.items() if path.is_dir()}
        shown = self._files.get("jpg") or self._files.get("rgba.png")
        if shown is None:
            raise ValueError(f"{folder}: is not an image set, and has no folder images or cutouts")
        self.keys = sorted(shown)
        self._files["json"] = {path.stem: path for path in folder.glob("records/*.json")}
        kind = "faces" if "png" in self._files else "files"
        self.info: dict[str, Any] = {"name": folder.resolve().name, "kind": kind, "sources": []}

    def __len__(self) -> int:
        return len(self.keys)

    def parts(self, key: str) -> list[str]:
        """Return the names of a sample's parts as an image set has them; ValueError for another."""
        if key not in self.keys:
            raise ValueError(f"{self.folder}: no sample '{key}' among {len(self)}")
        return [part for part, files in self._files.items() if key in files]

    def record(self, key: str) -> dict[str, Any]:
        """Read a sample's record; a sample without one is a ValueError."""
        if key not in self._files["json"]:
            raise ValueError(f"{self.folder}: sample '{key}' has no record")
        return read_json(self._files["json"][key])

    def image(self, key: str) -> np.ndarray:
        """Decode an image: (H, W, 3) uint8 RGB."""
        return read_image(self._files["jpg"][key])

    def seg_map(self, key: str, part: str = "png") -> np.ndarray:
        """Decode a mask to (H, W) uint8: 0 background, 1 face, 255 ignored.

        Of a map with more classes, all but 0 is face.
        """
        path = self._files[part][key]
        mask = decode_mask(path.read_bytes(), str(path))
        is_plain = np.isin(mask, (0, 1, 255)).all()
        return to_seg_map(mask if is_plain else mask > 0, str(path))

    def cutout(self, key: str) -> np.ndarray:
        """Decode a cut-out: (H, W, 4) uint8 RGBA, premultiplied."""
        path = self._files["rgba.png"][key]
        straight = decode_rgba(path.read_bytes(), str(path))
        return premultiply(straight[..., :3], straight[..., 3] / 255)
