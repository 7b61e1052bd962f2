"""The networks: MMSegmentation's encoder-decoders with our batches and our loss."""

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from face_occlusion.networks.loss import mean_loss, ohem_loss
from face_occlusion.networks.schema import MODEL, check_config

with warnings.catch_warnings():  # mmcv says that it was built without compiled operations
    warnings.filterwarnings("ignore", message="Fail to import", category=UserWarning)
    from mmseg.models import EncoderDecoder
    from mmseg.registry import MODELS

    from face_occlusion.networks import efficientnet_lite, heads  # noqa: F401 - registers them
    from face_occlusion.networks.backbones import run_module


class InputScaling(NamedTuple):
    """What an image's levels become before the network sees them: (level - mean) / std."""

    mean: Sequence[float]  # per channel, RGB
    std: Sequence[float]


IMAGENET = InputScaling(mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))  # levels
Augment = Callable[[Tensor, Tensor, Tensor, InputScaling], tuple[Tensor, Tensor]]


def normalise(images: Tensor, scaling: InputScaling = IMAGENET) -> Tensor:
    """Scale (N, 3, H, W) levels to what the network expects, floats; by default ImageNet's."""
    mean, std = (per_channel(values, images.device) for values in scaling)
    return (images.float() - mean) / std


def per_channel(values: Sequence[float], device: torch.device) -> Tensor:
    """Return (1, 3, 1, 1) float32; a GPU fills it, where a copy would hold up the host."""
    return torch.stack([torch.full((), value, device=device) for value in values]).view(1, 3, 1, 1)


class BatchPreprocessor(nn.Module):
    """Move a batch to the network's device, augment it there and normalise it.

    Training sets `augment`, which augments and normalises a training batch: (images (N, 3, H, W)
    uint8, seg_maps (N, H, W) uint8, augmentations (16, N) float32, scaling) to inputs and seg_maps.
    """

    def __init__(self, scaling: InputScaling) -> None:
        super().__init__()
        self.scaling = scaling
        self.augment: Augment | None = None
        self.register_buffer("anchor", torch.zeros(()), persistent=False)  # knows the device

    def forward(self, batch: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Prepare a batch: `inputs` (N, 3, H, W) float32 and, for training, `seg_maps`.

        The batch holds `inputs` (N, H, W, 3) uint8 RGB; for training also `seg_maps` (N, H, W)
        uint8 and `augmentations` (16, N) float32. Training before `augment` is set is a ValueError.
        """
        device = self.anchor.device
        # A (N, H, W, 3) tensor seen as (N, 3, H, W) is what PyTorch calls channels-last.
        images = batch["inputs"].to(device, non_blocking=True).permute(0, 3, 1, 2)
        if not training:
            return {"inputs": normalise(images, self.scaling)}
        if self.augment is None:
            raise ValueError("augment must be set before training (training.acceleration.set_up)")
        seg_maps = batch["seg_maps"].to(device, non_blocking=True)
        augmentations = batch["augmentations"].to(device, non_blocking=True)
        inputs, seg_maps = self.augment(images, seg_maps, augmentations, self.scaling)
        return {"inputs": inputs, "seg_maps": seg_maps}


@MODELS.register_module()
class FaceSegmentor(EncoderDecoder):
    """An encoder-decoder that scores each pixel's log-odds of face.

    Args:
        loss: `thresh`, `min_kept_per_image`, `divide_by`, `aux_weight`, `aux_ohem`.
        input_scaling: `mean` and `std` per channel; by default ImageNet's.
        parts: EncoderDecoder's arguments.

    Attributes:
        gather: Adds the images of a run's other processes to a batch; by default there are none.
        autocast: Whether the network computes in bfloat16 where that is safe; losses never do.
        run_head: A plain function, or a compiled one for training.
        step: Takes whole training steps in the network's place, if set: (batch, optimiser's
            wrapper) to the losses by name, as `training.acceleration.StepGraph` on a GPU.
    """

    data_preprocessor: BatchPreprocessor
    backbone: Any

    def __init__(
        self, loss: dict[str, Any], input_scaling: dict[str, Any] | None = None, **parts: Any
    ) -> None:
        super().__init__(test_cfg={"mode": "whole"}, **parts)
        scaling = InputScaling(**input_scaling) if input_scaling else IMAGENET
        self.data_preprocessor = BatchPreprocessor(scaling)
        self.loss_cfg = loss
        self.gather: Callable[[Tensor], Tensor] = lambda images: images
        self.autocast = False
        self.run_head = run_module
        self.step: Callable[[dict[str, Any], OptimWrapper], dict[str, Tensor]] | None = None

    def forward(
        self, inputs: Tensor, seg_maps: Tensor | None = None, mode: str = "tensor"
    ) -> Tensor | dict[str, Tensor]:
        """Return logits (N, C, h, w) in mode `tensor`, or the losses by name in mode `loss`.

        Inputs are (N, 3, H, W) float, normalised; seg_maps, in mode `loss`, (N, H, W) uint8.
        """
        run = self.run_head if self.training else run_module
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
        return self._losses(self.gather(logits), aux_logits, self.gather(seg_maps))

    def train_step(self, data: dict[str, Any], optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        """Train on a batch; returns the losses by name."""
        return (self.step or super().train_step)(data, optim_wrapper)

    def _losses(
        self, logits: Tensor, aux_logits: Tensor | None, seg_maps: Tensor
    ) -> dict[str, Tensor]:
        mined_loss = partial(
            ohem_loss,
            thresh=self.loss_cfg["thresh"],
            min_kept=self.loss_cfg["min_kept_per_image"] * len(seg_maps),
            divide_by=self.loss_cfg["divide_by"],
        )
        losses = {"loss": mined_loss(logits, seg_maps)}
        if aux_logits is not None:
            loss = mined_loss if self.loss_cfg["aux_ohem"] else mean_loss
            losses["loss_aux"] = self.loss_cfg["aux_weight"] * loss(aux_logits, seg_maps)
        return losses


def build_segmentor(model_config: dict[str, Any]) -> FaceSegmentor:
    """Build the network of a resolved configuration's `model`.

    Any types and keys but those of this package's networks are a ValueError.
    """
    check_config(model_config, MODEL)
    return MODELS.build(dict(model_config))
