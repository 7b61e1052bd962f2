"""The score that selects a checkpoint: pooled mIoU on RealOcc (Q34)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from face_occlusion.core.classes import IGNORED
from face_occlusion.core.imageset import ImageSet
from face_occlusion.networks.loss import log_odds
from face_occlusion.networks.segmentor import FaceSegmentor
from face_occlusion.training.dataset import read_sample
from face_occlusion.training.distributed import ALONE, Processes


class SelectionSet:
    """A benchmark, decoded once at the network's input size.

    The score is taken at that size and without test-time augmentation; it orders checkpoints of
    one run. The reported scores are taken at the images' own sizes, by the evaluate stage.

    Args:
        images: The benchmark.
        side_px: Side of the network's input.
        processes: Those that share the work; this one holds every `count`-th image.
    """

    def __init__(self, images: ImageSet, side_px: int, processes: Processes = ALONE) -> None:
        keys = images.keys[processes.rank :: processes.count]
        self._processes = processes
        self._images = torch.empty((len(keys), side_px, side_px, 3), dtype=torch.uint8)
        self._seg_maps = torch.empty((len(keys), side_px, side_px), dtype=torch.uint8)
        for place, key in enumerate(keys):
            image, seg_map = read_sample(images, key, "png", side_px)
            self._images[place] = torch.from_numpy(image)
            self._seg_maps[place] = torch.from_numpy(seg_map)

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield images (N, S, S, 3) uint8 with seg_maps (N, S, S) uint8."""
        for start in range(0, len(self._images), size):
            part = slice(start, start + size)
            yield self._images[part], self._seg_maps[part]

    def miou(self, model: FaceSegmentor, batch_size: int) -> float:
        """Return the mean over both classes of the pooled IoU; leaves the model in eval mode.

        Args:
            model: The network, of which each process has a copy.
            batch_size: Images at once.
        """
        model.eval()
        confusion = torch.zeros(4, dtype=torch.int64)
        with torch.inference_mode():
            for images, seg_maps in self.batches(batch_size):
                batch = model.data_preprocessor({"inputs": images}, False)
                logits = functional.interpolate(
                    model(**batch).float(), size=seg_maps.shape[1:], mode="bilinear"
                )
                pred = (log_odds(logits) > 0).cpu()
                confusion += count_pixels(pred, seg_maps)
        tn, fp, fn, tp = self._processes.sum(confusion).tolist()
        ious = [hit / union for hit, union in ((tn, tn + fp + fn), (tp, tp + fp + fn)) if union]
        return sum(ious) / len(ious)


def count_pixels(pred: Tensor, seg_maps: Tensor) -> Tensor:
    """Count [tn, fp, fn, tp] over the pixels that are not ignored.

    Args:
        pred: (N, H, W) bool, True = face.
        seg_maps: (N, H, W) uint8 class ids.

    Returns:
        (4,) int64.
    """
    valid = seg_maps != IGNORED
    cells = 2 * (seg_maps == 1)[valid].long() + pred[valid].long()
    return torch.bincount(cells, minlength=4)
