"""Generate samples in batches on a GPU: codecs, colours and blending there, the rest in numpy.

The same draws, records and maps as `generate.generate_sample`, to the byte. Images differ by a
level or two of 255 where arithmetic and, on a GPU, nvJPEG round otherwise; the same device, driver
and versions repeat their bytes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch

from face_occlusion.generation.augmentation import warp_map
from face_occlusion.generation.compositing import occlude_label
from face_occlusion.generation.jpeg_torch import decode_jpegs, encode_jpegs
from face_occlusion.generation.occlusion import (
    Drawn,
    OccluderSource,
    draw_face_changes,
    draw_occlusion,
    sample_rng,
)
from face_occlusion.generation.painting_torch import apply_face_torch, paint_batch
from face_occlusion.generation.params import GenerateParams
from face_occlusion.images import encode_png
from face_occlusion.imageset import ImageSet, encode_record

BATCH = 16


def generate_samples(
    faces: ImageSet,
    occluders: OccluderSource,
    keys: Sequence[str],
    params: GenerateParams,
    device: str,
) -> Iterator[tuple[str, Mapping[str, bytes]]]:
    """Yield the samples of several faces, key and parts, in order.

    Args:
        faces: Image set of faces.
        occluders: What is drawn from.
        keys: The faces' keys.
        params: The method and its ranges.
        device: A name of torch's, `cpu` or `cuda:0`.

    Raises:
        ValueError: If a sample fails: a draw names its face, anything later its batch.
    """
    for start in range(0, len(keys), BATCH):
        batch = keys[start : start + BATCH]
        try:
            made = _generate_batch(faces, occluders, batch, params, device)
        except torch.cuda.OutOfMemoryError as error:
            raise ValueError(f"the GPU's memory is full: use fewer workers ({error})") from error
        yield from zip(batch, made, strict=True)


def _generate_batch(
    faces: ImageSet,
    occluders: OccluderSource,
    keys: Sequence[str],
    params: GenerateParams,
    device: str,
) -> list[dict[str, bytes]]:
    drawn = [_draw(faces, occluders, key, params) for key in keys]
    names = [f"{faces.folder}: {key}.jpg" for key in keys]
    images = decode_jpegs([faces.read(key, "jpg") for key in keys], names, torch.device(device))
    images = [
        apply_face_torch(image, sample.record["face_changes"])
        for image, (sample, _) in zip(images, drawn, strict=True)
    ]
    images = _paint_by_size(images, drawn)
    encoded = encode_jpegs(images, params.jpeg_quality)
    made = []
    for key, content, (sample, seg_map) in zip(keys, encoded, drawn, strict=True):
        occlude_label(seg_map, sample.layer)
        record = sample.record | {"face": key, "seed": params.seed}
        record |= {"jpeg_quality": params.jpeg_quality}
        parts = {"jpg": content, "png": encode_png(seg_map), "json": encode_record(record)}
        made.append(parts)
    return made


def _draw(
    faces: ImageSet, occluders: OccluderSource, key: str, params: GenerateParams
) -> tuple[Drawn, np.ndarray]:
    """Draw one sample as `occlude` does; return it and the map before it is occluded."""
    seg_map, rng = faces.seg_map(key), sample_rng(key, params.seed)
    changes = draw_face_changes(rng, (seg_map.shape[0], seg_map.shape[1]), params)
    if changes["matrix"] is not None:
        seg_map = warp_map(seg_map, np.array(changes["matrix"]))
    try:
        return draw_occlusion(seg_map, changes, occluders, rng, params), seg_map
    except Exception as error:
        raise ValueError(f"face {key}: {error}") from error


def _paint_by_size(
    images: Sequence[torch.Tensor], drawn: Sequence[tuple[Drawn, np.ndarray]]
) -> list[torch.Tensor]:
    """Paint a batch, neighbours of one size together."""
    painted: list[torch.Tensor] = []
    for _, group in itertools.groupby(range(len(images)), lambda row: images[row].shape):
        rows = list(group)
        samples, seg_maps = zip(*(drawn[row] for row in rows), strict=True)
        painted += paint_batch([images[row] for row in rows], samples, seg_maps)
    return painted
