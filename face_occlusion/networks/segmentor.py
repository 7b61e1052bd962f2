"""The networks: MMSegmentation's encoder-decoders with our batches and our loss."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from face_occlusion.networks.loss import mean_loss, ohem_loss
from face_occlusion.training.augmentation import augment_normalised, normalise

if TYPE_CHECKING:
    from mmengine.optim import OptimWrapper

    from face_occlusion.training.acceleration import StepGraph

with warnings.catch_warnings():  # mmcv says that it was built without compiled operations
    warnings.filterwarnings("ignore", message="Fail to import", category=UserWarning)
    from mmseg.models import EncoderDecoder
    from mmseg.registry import MODELS

    from face_occlusion import networks


class BatchPreprocessor(nn.Module):
    """Move a batch to the network's device, augment it there and normalise it.

    Attributes:
        augment: `augment_normalised`, or a compiled one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.augment = augment_normalised
        self.register_buffer("anchor", torch.zeros(()), persistent=False)  # knows the device

    def forward(self, batch: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Prepare a batch.

        Args:
            batch: `inputs` (N, H, W, 3) uint8 RGB; for training also `seg_maps` (N, H, W) uint8
                and `draws` (7, N) float32.
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
        draws = batch["draws"].to(device, non_blocking=True)
        inputs, seg_maps = self.augment(images, seg_maps, draws)
        return {"inputs": inputs, "seg_maps": seg_maps}


@MODELS.register_module()
class FaceSegmentor(EncoderDecoder):
    """An encoder-decoder that scores each pixel's log-odds of face.

    Args:
        loss: `thresh`, `min_kept_per_image`, `divide_by`, `aux_weight`, `aux_ohem`.
        parts: EncoderDecoder's arguments.

    Attributes:
        gather: Adds other processes' images to a batch, if there are any.
        autocast: Whether the network computes in bfloat16 where that is safe; losses never do.
        run_head: A plain function, or a compiled one for training.
        stepper: Takes whole training steps in the network's place, if set.
    """

    data_preprocessor: BatchPreprocessor
    backbone: Any

    def __init__(self, loss: dict[str, Any], **parts: Any) -> None:
        super().__init__(test_cfg={"mode": "whole"}, **parts)
        self.data_preprocessor = BatchPreprocessor()
        self.loss_cfg = loss
        self.gather: Callable[[Tensor], Tensor] = _own
        self.autocast = False
        self.run_head = networks.run_module
        self.stepper: StepGraph | None = None

    def forward(
        self, inputs: Tensor, seg_maps: Tensor | None = None, mode: str = "tensor"
    ) -> Tensor | dict[str, Tensor]:
        """Return logits (N, C, h, w) in mode `tensor`, or the losses by name in mode `loss`.

        Args:
            inputs: (N, 3, H, W) float, normalised.
            seg_maps: (N, H, W) uint8 class ids, in mode `loss`.
            mode: `tensor` or `loss`.
        """
        run = self.run_head if self.training else networks.run_module
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=self.autocast):
            features = self.extract_feat(inputs)
            logits = run(self.decode_head, features)
            if mode == "tensor":
                return logits
            aux_logits = None
            if self.with_auxiliary_head:
                aux_logits = self.gather(run(self.auxiliary_head, features))
        if seg_maps is None:
            raise ValueError("seg_maps must be given in mode 'loss'")
        return self._score(self.gather(logits), aux_logits, self.gather(seg_maps))

    def train_step(self, data: dict[str, Any], optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        """Train on a batch; returns the losses by name."""
        if self.stepper is None:
            return super().train_step(data, optim_wrapper)
        return self.stepper.step(data, optim_wrapper)

    def _score(
        self, logits: Tensor, aux_logits: Tensor | None, seg_maps: Tensor
    ) -> dict[str, Tensor]:
        losses = {"loss": self._mined(logits, seg_maps)}
        if aux_logits is not None:
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
