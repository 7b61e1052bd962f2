"""The networks: MMSegmentation's encoder-decoders with our batches and our loss."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from face_occlusion.training.augmentation import Draws, augment, normalise
from face_occlusion.training.loss import mean_loss, ohem_loss

with warnings.catch_warnings():  # mmcv says that it was built without compiled operations
    warnings.filterwarnings("ignore", message="Fail to import", category=UserWarning)
    from mmseg.models import EncoderDecoder
    from mmseg.registry import MODELS

    from face_occlusion.training import networks  # noqa: F401 - registers them


class BatchPreprocessor(nn.Module):
    """Move a batch to the network's device, augment it there and normalise it."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("anchor", torch.zeros(()), persistent=False)  # knows the device

    def forward(self, batch: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Prepare a batch.

        Args:
            batch: `inputs` (N, H, W, 3) uint8 RGB; for training also `seg_maps` (N, H, W) uint8
                and `draws`.
            training: Whether to augment.

        Returns:
            `inputs` (N, 3, H, W) float32 and, for training, `seg_maps` (N, H, W) uint8.
        """
        device = self.anchor.device
        # A (N, H, W, 3) tensor seen as (N, 3, H, W) is what PyTorch calls channels-last.
        images = batch["inputs"].to(device, non_blocking=True).permute(0, 3, 1, 2)
        if not training:
            return {"inputs": normalise(images)}
        seg_maps = batch["seg_maps"].to(device, non_blocking=True)
        draws: Draws = batch["draws"].to(device)
        images, seg_maps = augment(images, seg_maps, draws)
        inputs = normalise(images).contiguous(memory_format=torch.channels_last)
        return {"inputs": inputs, "seg_maps": seg_maps}


@MODELS.register_module()
class FaceSegmentor(EncoderDecoder):
    """An encoder-decoder that scores each pixel's log-odds of face.

    Args:
        loss: `thresh`, `min_kept_per_image`, `divide_by`, `aux_weight`, `aux_ohem`.
        parts: EncoderDecoder's arguments.
    """

    data_preprocessor: BatchPreprocessor

    def __init__(self, loss: dict[str, Any], **parts: Any) -> None:
        super().__init__(test_cfg={"mode": "whole"}, **parts)
        self.data_preprocessor = BatchPreprocessor()
        self.loss_cfg = loss
        self.gather: Callable[[Tensor], Tensor] = _own  # other processes' images, if there are any

    def forward(
        self, inputs: Tensor, seg_maps: Tensor | None = None, mode: str = "tensor"
    ) -> Tensor | dict[str, Tensor]:
        """Return logits (N, C, h, w) in mode `tensor`, or the losses by name in mode `loss`.

        Args:
            inputs: (N, 3, H, W) float, normalised.
            seg_maps: (N, H, W) uint8 class ids, in mode `loss`.
            mode: `tensor` or `loss`.
        """
        features = self.extract_feat(inputs)
        logits = self.decode_head(features)
        if mode == "tensor":
            return logits
        if seg_maps is None:
            raise ValueError("seg_maps must be given in mode 'loss'")
        logits, seg_maps = self.gather(logits), self.gather(seg_maps)
        losses = {"loss": self._mined(logits, seg_maps)}
        if self.with_auxiliary_head:
            aux_logits = self.gather(self.auxiliary_head(features))
            score = self._mined if self.loss_cfg["aux_ohem"] else mean_loss
            losses["loss_aux"] = self.loss_cfg["aux_weight"] * score(aux_logits, seg_maps)
        return losses

    def _mined(self, logits: Tensor, seg_maps: Tensor) -> Tensor:
        return ohem_loss(
            logits,
            seg_maps,
            thresh=self.loss_cfg["thresh"],
            min_kept=self.loss_cfg["min_kept_per_image"] * len(seg_maps),
            divide_by=self.loss_cfg["divide_by"],
        )


def _own(images: Tensor) -> Tensor:
    """Return the images of this process, which is alone."""
    return images


def build_segmentor(model_config: dict[str, Any]) -> FaceSegmentor:
    """Build the network of a resolved configuration's `model`."""
    return MODELS.build(dict(model_config))
