"""Read a benchmark ahead of the network: decoded and resized in threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from face_occlusion.core.imageset import ImageSet

See = Callable[[Sequence[np.ndarray]], Any]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """An image of a benchmark, its mask, and what is recorded of it.

    Attributes:
        key: Its key in the image set.
        name: Its name in errors.
        image: (H, W, 3) uint8 RGB.
        target: (H, W) uint8 seg_map.
        occluder_kind: What covers the face, if that is known.
    """

    key: str
    name: str
    image: np.ndarray
    target: np.ndarray
    occluder_kind: str | None


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Images that go through the network together.

    Attributes:
        samples: In the benchmark's order.
        seen: What the networks are shown, without and (True) with augmentation.
    """

    samples: list[Sample]
    seen: dict[bool, Any]


def read_sample(image_set: ImageSet, key: str) -> Sample:
    """Decode an image and its mask."""
    return Sample(
        key=key,
        name=f"{image_set.folder}: {key}",
        image=image_set.image(key),
        target=image_set.seg_map(key),
        occluder_kind=image_set.record(key).get("occluder_kind"),
    )


def read_batches(
    image_set: ImageSet, batch_size: int, num_threads: int, see: dict[bool, See]
) -> Iterator[Batch]:
    """Yield the images in order, in batches, up to two batches ahead of who asks.

    Args:
        image_set: The benchmark.
        batch_size: Images in a batch; the last may be smaller.
        num_threads: That decode; one more puts batches together.
        see: Makes of a batch's images what the networks are shown, by augmentation.
    """

    def assemble(reads: list[Future[Sample]]) -> Batch:
        samples = [future.result() for future in reads]
        images = [sample.image for sample in samples]
        seen = {augmented: prepare(images) for augmented, prepare in see.items()}
        return Batch(samples=samples, seen=seen)

    keys = image_set.keys
    with ThreadPoolExecutor(num_threads) as readers, ThreadPoolExecutor(1) as assembler:
        waiting: deque[Future[Batch]] = deque()
        for start in range(0, len(keys), batch_size):
            reads = [
                readers.submit(read_sample, image_set, key)
                for key in keys[start : start + batch_size]
            ]
            waiting.append(assembler.submit(assemble, reads))
            if len(waiting) > 2:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
