"""Export a run for MMSegmentation 1.x: a stock config and a checkpoint, checked against the run."""

import copy
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS

from face_occlusion.apps.pages import TEMPLATES
from face_occlusion.core.classes import IGNORED
from face_occlusion.core.files import atomic_path, atomic_write, read_json
from face_occlusion.evaluation.inference import NO_RUN, Segmenter
from face_occlusion.networks.segmentor import IMAGENET

TOLERANCE = 1e-4  # largest difference of a logit from the run's own
STOCK = {  # our types -> MMSegmentation's, the same functions of the same weights
    "LeanMixTransformer": "MixVisionTransformer",
    "BlockwiseResNetV1c": "ResNetV1c",
    "PyramidHead": "PSPHead",
    "SeparableAsppHead": "DepthwiseSeparableASPPHead",
    "LeanSegformerHead": "SegformerHead",
}
OURS = {"EfficientNetLite": "face_occlusion.networks.efficientnet_lite"}  # has no stock twin
METAINFO = {"classes": ("background", "face"), "palette": [[0, 0, 0], [255, 255, 255]]}


def export_mmseg(folder: Path, segmenter: Segmenter, path: Path) -> float:
    """Write a run, its network on the CPU, as a config at `path` and a checkpoint next to it.

    Returns the largest difference of a logit from the run's own, on random pixels; above 1e-4 it is
    a ValueError, as is a path that does not end in .py, and nothing is written.
    """
    if path.suffix != ".py":
        raise ValueError(f"--out must end in .py, its checkpoint gets .pth; got {path}")
    run = read_json(folder / "config.json", NO_RUN)
    model = stock_model(run["model"], run["input_px"])
    state = segmenter.model.state_dict()
    with DefaultScope.overwrite_default_scope("mmseg"):
        stock = MODELS.build(copy.deepcopy(model))
    stock.load_state_dict(state)
    image = torch.randn(1, 3, run["input_px"], run["input_px"], generator=torch.Generator())
    with torch.inference_mode():
        theirs = stock.eval()(image)
        difference = float((theirs - segmenter.model(image)).abs().max())
    if not difference <= TOLERANCE:
        raise ValueError(
            f"{path}: not written, because its logits differ from the run's by {difference:.2g}, "
            f"more than {TOLERANCE:g}"
        )
    optimiser = {name: part for name, part in run["optim_wrapper"].items() if name != "constructor"}
    own = {  # the run's recipe; only its optimiser's groups are MMEngine's own
        "model": model,
        "optim_wrapper": optimiser,
        "param_scheduler": run["param_scheduler"],
        "train_cfg": run["train_cfg"] | {"val_interval": run["train_cfg"]["max_iters"]},
    }
    text = TEMPLATES.get_template("mmseg_config.jinja").render(
        run=folder.resolve().name,
        needed=OURS.get(model["backbone"]["type"]),
        mines=model["decode_head"]["out_channels"] == 2,
        px=run["input_px"],
        checkpoint=repr(path.with_suffix(".pth").name),
        own=Config(own).pretty_text,
        metainfo=METAINFO,
    )
    with atomic_path(path.with_suffix(".pth")) as partial:
        torch.save({"state_dict": dict(state), "meta": {"dataset_meta": METAINFO}}, partial)
    atomic_write(path, f"{text}\n")
    return difference


def stock_model(model: dict[str, Any], input_px: int) -> dict[str, Any]:
    """Return MMSegmentation's `model` for the `model` of a run's config.json."""
    parts = copy.deepcopy(model)
    loss = parts.pop("loss")
    scaling = parts.pop("input_scaling", None) or IMAGENET._asdict()
    heads = [(parts["decode_head"], True, 1.0)]
    if parts["auxiliary_head"] is None:
        del parts["auxiliary_head"]
    else:
        heads.append((parts["auxiliary_head"], loss["aux_ohem"], loss["aux_weight"]))
    for head, is_mined, weight in heads:
        is_binary = head["out_channels"] == 1
        head["loss_decode"] |= {"use_sigmoid": is_binary, "loss_weight": weight}
        if is_mined and not is_binary:
            mined = {"thresh": loss["thresh"], "min_kept": loss["min_kept_per_image"]}
            head["sampler"] = {"type": "OHEMPixelSampler", **mined}
    for part in (parts["backbone"], *(head for head, _, _ in heads)):
        part["type"] = STOCK.get(part["type"], part["type"])
        if "norm_cfg" in part:
            part["norm_cfg"]["type"] = "BN"  # MMEngine's sync_bn="torch" makes SyncBN of it
    return parts | {
        "type": "EncoderDecoder",
        "data_preprocessor": {
            "type": "SegDataPreProcessor",
            **{key: list(values) for key, values in scaling.items()},
            "bgr_to_rgb": True,
            "size": (input_px, input_px),
            "seg_pad_val": IGNORED,
        },
        "train_cfg": {},
        "test_cfg": {"mode": "whole"},
    }
