"""Generate samples in batches on a GPU: codecs, colours and blending there, the rest in numpy.

The same draws, records and maps as `generate.generate_sample`, to the byte. Images differ where
arithmetic and, on a GPU, nvJPEG round otherwise: on photographs by 0.4 levels of 255 on average, 4
in one pixel of a thousand (H200). The same device, driver and versions repeat their bytes.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from face_occlusion.core.images import encode_png
from face_occlusion.core.imageset import ImageSet, encode_record
from face_occlusion.generation.augmentation import warp_map
from face_occlusion.generation.compositing import occlude_label
from face_occlusion.generation.jpeg_torch import decode_jpegs, encode_jpegs
from face_occlusion.generation.occlusion import (
    Drawn,
    OccluderSource,
    draw_face_changes,
    draw_occlusion,
    sample_rng,
    stable_id,
)
from face_occlusion.generation.painting_torch import apply_faces_torch, paint_batch
from face_occlusion.generation.params import GenerateParams

BATCH = 16


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A sample but for its picture: what was drawn, and its finished map and record."""

    key: str
    drawn: Drawn
    seg_map: np.ndarray  # before it was occluded
    parts: dict[str, bytes]


@dataclasses.dataclass(frozen=True)
class Source:
    """What samples are made of.

    Attributes:
        faces: Image set of faces.
        occluders: What is drawn from.
        params: The method and its ranges.
        device: A name of torch's, `cpu` or `cuda:0`.
    """

    faces: ImageSet
    occluders: OccluderSource
    params: GenerateParams
    device: str


def generate_samples(
    source: Source, keys: Sequence[str], threads: int = 1
) -> Iterator[tuple[str, Mapping[str, bytes]]]:
    """Yield the samples of several faces, key and parts, in order.

    Threads draw and place one batch while this one paints the batch before: a few processes with
    threads keep a GPU busier than many that take turns with it.

    Args:
        source: What they are made of.
        keys: The faces' keys.
        threads: Threads for what runs on the CPU.

    Raises:
        ValueError: If a sample fails: a draw names its face, anything later its batch.
    """
    batches = [keys[start : start + BATCH] for start in range(0, len(keys), BATCH)]
    with ThreadPoolExecutor(threads) as pool:
        prepare = functools.partial(prepare_sample, source)
        remaining = (pool.map(prepare, batch) for batch in batches)
        waiting = collections.deque(itertools.islice(remaining, 2))
        while waiting:
            prepared = list(waiting.popleft())
            waiting.extend(itertools.islice(remaining, 1))
            try:
                images = _paint(source, prepared, pool)
            except Exception as error:
                names = ", ".join(f"{one.key} ({one.drawn.record})" for one in prepared)
                raise ValueError(f"one of the faces and records {names}: {error}") from error
            for one, image in zip(prepared, images, strict=True):
                yield one.key, one.parts | {"jpg": image}


def prepare_sample(source: Source, key: str) -> Prepared:
    """Draw one sample as `occlude` does; finish its map and its record.

    Raises:
        ValueError: If it fails; names the face.
    """
    params = source.params
    seg_map, rng = source.faces.seg_map(key), sample_rng(key, params.seed)
    changes = draw_face_changes(rng, (seg_map.shape[0], seg_map.shape[1]), params)
    if changes["matrix"] is not None:
        seg_map = warp_map(seg_map, np.array(changes["matrix"]))
    try:
        drawn = draw_occlusion(seg_map, changes, source.occluders, rng, params)
    except Exception as error:
        seed = f"[{stable_id(key)}, {params.seed}]"
        raise ValueError(f"face {key} (seed {seed}): {error}") from error
    occluded = seg_map.copy()
    occlude_label(occluded, drawn.layer)
    record = drawn.record | {"face": key, "seed": params.seed}
    record |= {"jpeg_quality": params.jpeg_quality}
    return Prepared(
        key, drawn, seg_map, {"png": encode_png(occluded), "json": encode_record(record)}
    )


def _paint(source: Source, prepared: Sequence[Prepared], pool: ThreadPoolExecutor) -> list[bytes]:
    """Decode, paint and encode the pictures of a batch."""
    faces, keys = source.faces, [one.key for one in prepared]
    names = [f"{faces.folder}: {key}.jpg" for key in keys]
    datas = [faces.read(key, "jpg") for key in keys]
    images = decode_jpegs(datas, names, torch.device(source.device))
    changes = [one.drawn.record["face_changes"] for one in prepared]
    images = apply_faces_torch(images, changes, pool.map)
    painted: list[torch.Tensor] = []
    for _, group in itertools.groupby(range(len(images)), lambda row: images[row].shape):
        rows = list(group)  # neighbours of one size
        painted += paint_batch(
            [images[row] for row in rows],
            [prepared[row].drawn for row in rows],
            [prepared[row].seg_map for row in rows],
        )
    return encode_jpegs(painted, source.params.jpeg_quality)
