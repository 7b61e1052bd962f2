"""Training as MMSegmentation does it: its networks, losses, sampler, preprocessing, precision."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.structures import PixelData
from mmseg.models import EncoderDecoder, SegDataPreProcessor
from mmseg.structures import SegDataSample

from face_occlusion.apps.prediction.mmseg import STOCK
from face_occlusion.networks.segmentor import IMAGENET


def stock_model(config: dict[str, Any], min_kept: int | None = None) -> EncoderDecoder:
    """Build MMSegmentation's network of one of our resolved configurations.

    Two channels with softmax, since its sampler does not work with one.

    Args:
        config: Of `training.recipe.resolve`.
        min_kept: Pixels per image that its sampler keeps at least; None as configured.
    """
    parts = copy.deepcopy(config["model"])
    loss, scaling = parts.pop("loss"), parts.pop("input_scaling", None)
    del parts["type"]
    for name in ("backbone", "decode_head", "auxiliary_head"):
        if parts[name] is not None:
            parts[name]["type"] = STOCK.get(parts[name]["type"], parts[name]["type"])
    for head, weight in (("decode_head", 1.0), ("auxiliary_head", loss["aux_weight"])):
        if parts[head] is None:
            continue
        parts[head] |= {"out_channels": 2, "threshold": None}
        parts[head]["loss_decode"] = {"type": "CrossEntropyLoss", "loss_weight": weight}
    parts["decode_head"]["sampler"] = {
        "type": "OHEMPixelSampler",
        "thresh": loss["thresh"],
        "min_kept": loss["min_kept_per_image"] if min_kept is None else min_kept,
    }
    model = EncoderDecoder(test_cfg={"mode": "whole"}, **parts)
    normalisation: dict[str, Any] = {**(scaling or IMAGENET._asdict()), "bgr_to_rgb": True}
    model.data_preprocessor = SegDataPreProcessor(
        size=(config["input_px"], config["input_px"]), **normalisation
    )
    return model


def stock_optimizer(model: BaseModel, config: dict[str, Any]) -> OptimWrapper:
    """Build its optimiser: fp16 with dynamic loss scaling on a GPU, as its `--amp` does."""
    wrapper = copy.deepcopy(config["optim_wrapper"])
    del wrapper["optimizer"]["fused"]
    wrapper.pop("constructor", None)
    if next(model.parameters()).is_cuda:
        wrapper |= {"type": "AmpOptimWrapper", "dtype": "float16", "loss_scale": "dynamic"}
    return build_optim_wrapper(model, wrapper)


def stock_batch(images: Sequence[np.ndarray], seg_maps: Sequence[np.ndarray]) -> dict[str, Any]:
    """Return a batch in its form.

    Args:
        images: Each (H, W, 3) uint8 RGB.
        seg_maps: Each (H, W) uint8 class ids.
    """
    inputs, samples = [], []
    for image, seg_map in zip(images, seg_maps, strict=True):
        # OpenCV's order, as its LoadImageFromFile gives it.
        inputs.append(torch.from_numpy(image[..., ::-1].transpose(2, 0, 1).copy()))
        sample = SegDataSample(metainfo={"img_shape": seg_map.shape})
        sample.gt_sem_seg = PixelData(data=torch.from_numpy(seg_map[None].astype(np.int64)))
        samples.append(sample)
    return {"inputs": inputs, "data_samples": samples}
