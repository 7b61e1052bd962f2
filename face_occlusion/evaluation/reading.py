"""Read a benchmark ahead of the network: decoded, measured and resized in threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from face_occlusion.evaluation.occluded import Regions
from face_occlusion.evaluation.scores import ImageFacts
from face_occlusion.evaluation.skin_tone import ita_deg
from face_occlusion.imageset import ImageSet

See = Callable[[Sequence[np.ndarray]], Any]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """An image of a benchmark with what is known of it; its pixels are let go once seen."""

    name: str  # for errors
    target: np.ndarray  # (H, W) uint8 seg_map
    regions: Regions
    facts: ImageFacts


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Images that go through the network together.

    Attributes:
        samples: In the benchmark's order.
        seen: What the networks are shown, without and (True) with augmentation.
    """

    samples: list[Sample]
    seen: dict[bool, Any]


def read_sample(image_set: ImageSet, key: str) -> tuple[np.ndarray, Sample]:
    """Decode an image, (H, W, 3) uint8 RGB, and measure it."""
    image, target = image_set.image(key), image_set.seg_map(key)
    regions = Regions.of(target)
    face = target == 1
    facts = ImageFacts(
        key=key,
        occluder_kind=image_set.record(key).get("occluder_kind"),
        size=(target.shape[0], target.shape[1]),
        face_px=int(np.count_nonzero(face)),
        occluded_px=int(np.count_nonzero(regions.occluded)),
        ita_deg=ita_deg(image, face),
    )
    name = f"{image_set.folder}: {key}"
    return image, Sample(name=name, target=target, regions=regions, facts=facts)


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

    def assemble(reads: list[Future[tuple[np.ndarray, Sample]]]) -> Batch:
        read = [future.result() for future in reads]
        images = [image for image, _ in read]
        return Batch(
            samples=[sample for _, sample in read],
            seen={augmented: prepare(images) for augmented, prepare in see.items()},
        )

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
