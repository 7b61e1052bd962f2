"""Export a run for MMSegmentation 1.x: a stock config and a checkpoint, checked against the run."""

import copy
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS

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
HEADER = """\
# {run} for MMSegmentation 1.x, written by `face-occlusion export --to mmseg`.
# {needs}
# {loss}
# It predicts as the run does on images whose longer side has {px} pixels or more.
# To train: `face-occlusion unpack SET unpacked --ids`, or change data_root.
# More: docs/mmsegmentation.md
"""


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
    imports = [OURS[model["backbone"]["type"]]] if model["backbone"]["type"] in OURS else []
    content = {"custom_imports": {"imports": imports}} if imports else {}
    content |= {"default_scope": "mmseg", "model": model, **_data(run), **_training(run)}
    content["load_from"] = "{{ fileDirname }}/" + path.with_suffix(".pth").name
    two = model["decode_head"]["out_channels"] == 2
    header = HEADER.format(
        run=folder.resolve().name,
        needs=f"Its backbone is not among MMSegmentation's: {imports[0]} must be importable."
        if imports
        else "It needs MMSegmentation only.",
        loss="Hard examples are mined in each batch as MMSegmentation does it."
        if two
        else "MMSegmentation mines no hard examples for one channel: all pixels count in its loss.",
        px=run["input_px"],
    )
    with atomic_path(path.with_suffix(".pth")) as partial:
        torch.save({"state_dict": dict(state), "meta": {"dataset_meta": METAINFO}}, partial)
    atomic_write(path, header + "\n" + Config(content).pretty_text)
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


def _data(run: dict[str, Any]) -> dict[str, Any]:
    """Return pipelines and loaders of a folder that `face-occlusion unpack` wrote."""
    scale = (run["input_px"], run["input_px"])
    resize = {"type": "Resize", "scale": scale, "interpolation": "area"}
    load, annotations, pack = (
        {"type": name} for name in ("LoadImageFromFile", "LoadAnnotations", "PackSegInputs")
    )
    flip = {"type": "RandomFlip", "prob": 0.5}
    train = [load, annotations, resize | {"keep_ratio": False}, flip, pack]
    test = [load, resize | {"keep_ratio": True}, annotations, pack]

    def loader(pipeline: list[dict[str, Any]], batch_size: int, sampler: dict[str, Any]) -> Any:
        dataset = {
            "type": "BaseSegDataset",
            "data_root": "unpacked",
            "data_prefix": {"img_path": "images", "seg_map_path": "masks"},
            "img_suffix": ".jpg",
            "seg_map_suffix": ".png",
            "metainfo": METAINFO,
            "pipeline": pipeline,
        }
        loaded = {"batch_size": batch_size, "num_workers": 2}
        return loaded | {"sampler": sampler, "dataset": dataset}

    tested = loader(test, 1, {"type": "DefaultSampler", "shuffle": False})
    evaluator = {"type": "IoUMetric", "iou_metrics": ["mIoU"]}
    return {
        "train_pipeline": train,
        "test_pipeline": test,
        "train_dataloader": loader(train, 8, {"type": "InfiniteSampler", "shuffle": True}),
        **dict.fromkeys(("val_dataloader", "test_dataloader"), tested),
        **dict.fromkeys(("val_evaluator", "test_evaluator"), evaluator),
    }


def _training(run: dict[str, Any]) -> dict[str, Any]:
    """Return the run's recipe; only its optimiser's groups are MMEngine's own."""
    wrapper = {key: value for key, value in run["optim_wrapper"].items() if key != "constructor"}
    return {
        "optim_wrapper": wrapper,
        "param_scheduler": run["param_scheduler"],
        "train_cfg": run["train_cfg"] | {"val_interval": run["train_cfg"]["max_iters"]},
        "val_cfg": {"type": "ValLoop"},
        "test_cfg": {"type": "TestLoop"},
    }
