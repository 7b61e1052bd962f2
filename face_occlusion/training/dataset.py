"""Training samples: image sets read at random, in an order that depends on the seed alone.

Sample number p of a run (p = iteration * batch size + place in the batch) is a pure function of
the seed and p: which image, and how it is augmented. A resumed run therefore starts at its
position, and neither worker count nor machine changes a sample.
"""

import itertools
import multiprocessing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from face_occlusion.core.classes import resize_seg_map
from face_occlusion.core.combination import FACES, OpenPart
from face_occlusion.core.images import resize_image
from face_occlusion.core.imageset import ImageSet
from face_occlusion.core.parallel import exit_with_parent
from face_occlusion.training.augmentation import sample_augmentation, stack_samples
from face_occlusion.training.distributed import SINGLE_PROCESS, Processes
from face_occlusion.training.settings import TrainParams


def read_sample(
    images: ImageSet, key: str, mask: str, side_px: int
) -> tuple[np.ndarray, np.ndarray]:
    """Read one sample as a square: (S, S, 3) uint8 RGB and (S, S) uint8 class ids."""
    image, seg_map = images.sample(key, mask)
    size = (side_px, side_px)
    return resize_image(image, size), resize_seg_map(seg_map, size)


@lru_cache(maxsize=4)
def _order(num_samples: int, epoch: int, seed: int) -> np.ndarray:
    """Return the order of an epoch, a permutation of range(num_samples)."""
    return np.random.default_rng([epoch, seed]).permutation(num_samples)


class Occlude(Protocol):
    """Occludes samples as they are read; `online.occlusion.OnlineOcclusion` does so."""

    def __call__(
        self, image: np.ndarray, seg_map: np.ndarray, position: int, *, is_unoccluded: bool
    ) -> dict[str, np.ndarray]:
        """Return `image` and `seg_map`, and what a GPU needs to occlude them itself."""
        ...

    def record_at(
        self, image: np.ndarray, seg_map: np.ndarray, position: int
    ) -> dict[str, Any] | None:
        """Return the record of the occlusion at a position of the run, if there is one."""

    def attach(self, model: nn.Module, *, compiled: bool) -> None:
        """Let a network's preprocessing paint, where a GPU does."""


@dataclass
class FaceDataset(Dataset[dict[str, Any]]):
    """A combination's samples, addressed by their position in the run."""

    parts: Sequence[OpenPart]
    params: TrainParams  # of the run
    occlude: Occlude | None = None  # what is done to unoccluded faces, if anything

    def __post_init__(self) -> None:
        self._items = [(part, key) for part in self.parts for key in part.keys]
        self._cache: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        # the first decoded samples that fit in the memory for them
        self._cache_items = self.params.cache_mb * 2**20 // (4 * self.params.input_px**2)

    def __len__(self) -> int:
        return len(self._items)

    def index_at(self, position: int) -> int:
        """Return the item at a position of the run; each epoch shows each item once."""
        epoch, place = divmod(position, len(self))
        return int(_order(len(self), epoch, self.params.seed)[place])

    def name_at(self, position: int) -> str:
        """Return `entry/key` of the item at a position."""
        part, key = self._items[self.index_at(position)]
        return f"{part.entry}/{key}"

    def __getitem__(self, position: int) -> dict[str, Any]:
        """Return image (S, S, 3) uint8, seg_map (S, S) uint8 and the sampled augmentation."""
        image, seg_map = self._decoded(self.index_at(position))
        rng = np.random.default_rng([position, self.params.seed])
        sampled = sample_augmentation(rng, self.params.augment)
        sample: dict[str, Any] = {"image": image, "seg_map": seg_map}
        if self.occlude is not None:
            unoccluded = self._entry_at(position) == FACES
            sample = self.occlude(image, seg_map, position, is_unoccluded=unoccluded)
        return sample | {"augmentations": sampled}

    def record_at(self, position: int) -> dict[str, Any] | None:
        """Return how the sample at a position is occluded while training; None if it is not."""
        if self.occlude is None or self._entry_at(position) != FACES:
            return None
        return self.occlude.record_at(*self._decoded(self.index_at(position)), position)

    def _entry_at(self, position: int) -> str:
        return self._items[self.index_at(position)][0].entry

    def _decoded(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        if index in self._cache:
            return self._cache[index]
        part, key = self._items[index]
        sample = read_sample(part.images, key, part.mask, self.params.input_px)
        if len(self._cache) < self._cache_items:
            self._cache[index] = sample
        return sample


def positions(
    batch_size: int, processes: Processes = SINGLE_PROCESS, first_batch: int = 0
) -> Iterator[int]:
    """Yield the endless positions of a run from a batch on: of each batch, this process's part."""
    share = processes.share(batch_size)
    for batch in itertools.count(first_batch):
        start = batch * batch_size + processes.rank * share
        yield from range(start, start + share)


def collate(samples: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Stack samples: inputs (N, S, S, 3) uint8, seg_maps (N, S, S) uint8, augmentations (16, N).

    Whatever else samples hold, arrays to occlude them by, is stacked under its own name.
    """
    others = samples[0].keys() - {"image", "seg_map", "augmentations"}
    return {
        **{name: torch.from_numpy(np.stack([one[name] for one in samples])) for name in others},
        "inputs": torch.from_numpy(np.stack([sample["image"] for sample in samples])),
        "seg_maps": torch.from_numpy(np.stack([sample["seg_map"] for sample in samples])),
        "augmentations": stack_samples([sample["augmentations"] for sample in samples]),
    }


def build_loader(
    dataset: FaceDataset, processes: Processes = SINGLE_PROCESS, first_batch: int = 0
) -> DataLoader:
    """Build the endless loader of a run, from a batch on: of each batch, this process's part."""
    # Workers are forked from a server process that has only imported what they need. Forked from
    # this one they would hang where OpenCV's threads have run; spawned, each would import PyTorch
    # and MMSegmentation again: eight took 30 s on two cores, forked they take 8.
    forkserver = multiprocessing.get_context("forkserver")
    forkserver.set_forkserver_preload(["face_occlusion.training.run"])
    params = dataset.params
    return DataLoader(
        dataset,
        batch_size=processes.share(params.batch_size),
        sampler=positions(params.batch_size, processes, first_batch),
        num_workers=params.num_workers,
        collate_fn=collate,
        pin_memory=torch.cuda.is_available(),
        persistent_workers=params.num_workers > 0,
        worker_init_fn=_prepare_worker,
        multiprocessing_context=forkserver if params.num_workers else None,
    )


def _prepare_worker(_: int) -> None:
    """Limit a worker's OpenCV to one thread, and end the worker with its parent.

    PyTorch's own watchdog looks at the server that forked it, which lives as long as the worker.
    """
    cv2.setNumThreads(1)
    exit_with_parent()
