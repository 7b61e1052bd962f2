"""The score that selects a checkpoint: pooled mIoU on RealOcc (Q34)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from face_occlusion.imageset import ImageSet
from face_occlusion.training.dataset import read_sample
from face_occlusion.training.loss import IGNORED, margin
from face_occlusion.training.segmentor import FaceSegmentor


class SelectionSet:
    """A benchmark, decoded once at the network's input size.

    The score is taken at that size and without test-time augmentation; it orders checkpoints of
    one run. The reported scores are taken at the images' own sizes, by the evaluate stage.

    Args:
        images: The benchmark.
        side_px: Side of the network's input.
    """

    def __init__(self, images: ImageSet, side_px: int) -> None:
        samples = [read_sample(images, key, "png", side_px) for key in images.keys]
        self._images = torch.from_numpy(np.stack([image for image, _ in samples]))
        self._seg_maps = torch.from_numpy(np.stack([seg_map for _, seg_map in samples]))

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield images (N, S, S, 3) uint8 with seg_maps (N, S, S) uint8."""
        yield from zip(self._images.split(size), self._seg_maps.split(size), strict=True)

    def miou(self, model: FaceSegmentor, batch_size: int) -> float:
        """Return the mean over both classes of the pooled IoU; leaves the model in eval mode."""
        model.eval()
        confusion = torch.zeros(4, dtype=torch.int64)
        with torch.inference_mode():
            for images, seg_maps in self.batches(batch_size):
                batch = model.data_preprocessor({"inputs": images}, False)
                logits = functional.interpolate(
                    model(**batch).float(), size=seg_maps.shape[1:], mode="bilinear"
                )
                pred = (margin(logits) > 0).cpu()
                confusion += count_pixels(pred, seg_maps)
        tn, fp, fn, tp = confusion.tolist()
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
