"""Textures of the Describable Textures Dataset, uncropped: generation crops them."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from pathlib import Path

from face_occlusion.core.images import decode_image
from face_occlusion.core.imageset import ImageSet, encode_record, write_image_set
from face_occlusion.core.parallel import ordered_map
from face_occlusion.core.params import check_jpeg_quality
from face_occlusion.core.release import Release
from face_occlusion.core.resizing import fitted_jpeg


@dataclass(frozen=True, kw_only=True)
class TexturesParams:
    """Section `occluders.textures` of params.yaml."""

    size_px: int  # shorter side of every texture; 0 keeps the release's sizes
    jpeg_quality: int  # of textures that change size

    def __post_init__(self) -> None:
        if self.size_px != 0 and self.size_px < 16:
            raise ValueError(f"size_px: must be 0 or at least 16; got {self.size_px}")
        check_jpeg_quality(self.jpeg_quality)


def load_texture(
    named: tuple[str, str], *, release: Release, params: TexturesParams
) -> tuple[str, dict[str, bytes]]:
    """Read one texture, as a sample of an image set.

    Args:
        named: Its key and its name in the release.
        release: DTD.
        params: Size and quality.

    Returns:
        Its key, and the parts `jpg` and `json`.

    Raises:
        ValueError: If the image cannot be read; names it.
    """
    key, name = named
    data = release.read(name)
    image = decode_image(data, name)
    height, width = image.shape[:2]
    scale = params.size_px / min(height, width) if params.size_px else 1.0
    size = max(params.size_px, round(height * scale)), max(params.size_px, round(width * scale))
    record = {
        "category": name.split("/")[-2],
        "source": release.source,
        "name": name.rpartition("/")[2],
        "size": list(size),
        "release_size": [height, width],
    }
    return key, {
        "jpg": fitted_jpeg(data, image, size, params.jpeg_quality),
        "json": encode_record(record),
    }


def import_textures(
    release: Release,
    folder: Path,
    params: TexturesParams,
    *,
    samples_per_shard: int,
    workers: int | None = None,
) -> ImageSet:
    """Write the textures as an image set.

    Raises:
        ValueError: If there are none, or one cannot be read.
    """
    textures = sorted(release.by_stem("*/images/*/*.jpg", "*/images/*/*.png").items())
    load = functools.partial(load_texture, release=release, params=params)
    samples = ordered_map(load, textures, desc="occluders/textures", workers=workers)
    info = {
        "kind": "textures",
        "name": "textures",
        **release.provenance(),
        "params": dataclasses.asdict(params),
    }
    return write_image_set(folder, samples, info=info, samples_per_shard=samples_per_shard)
