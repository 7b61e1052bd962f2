"""One MMSegmentation config per architecture, and the recipe around it.

A config is a function of its parameters, so that a profile changes depth or width in one place;
the resolved one is written to `models/RUN/config.json`, which mmengine's `Config.fromfile` reads.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from face_occlusion.training import optimizer  # noqa: F401 - registers its constructor
from face_occlusion.training.configs import deeplabv3plus, pspnet, segformer
from face_occlusion.training.settings import LossParams, OptimizerParams, TrainParams

ARCHITECTURES: dict[str, ModuleType] = {
    "pspnet": pspnet,
    "deeplabv3plus": deeplabv3plus,
    "segformer": segformer,
}

ModelParams = pspnet.Params | deeplabv3plus.Params | segformer.Params


def params_class(model: str) -> type[ModelParams]:
    """Return the parameters' class of an architecture.

    Raises:
        ValueError: If there is none of this name.
    """
    if model not in ARCHITECTURES:
        raise ValueError(f"model must be one of {sorted(ARCHITECTURES)}; got {model!r}")
    return ARCHITECTURES[model].Params


def resolve(
    model: str, params: ModelParams, train: TrainParams, *, distributed: bool
) -> dict[str, Any]:
    """Return the whole configuration of a run as plain values.

    Args:
        model: Name of the architecture.
        params: Its parameters.
        train: What all runs share.
        distributed: Whether several processes train the run: then statistics are shared
            (SyncBN); a single process has nothing to share, and SyncBN does not run on the CPU.
            The weights' names are the same.
    """
    norm = "SyncBN" if distributed else "BN"
    return {
        "model": {
            **ARCHITECTURES[model].config(params, train.loss, norm),
            "loss": loss_config(train.loss, getattr(params, "aux_weight", 0.0)),
        },
        "optim_wrapper": optimizer_config(params.optimizer),
        "param_scheduler": schedule_config(params.optimizer, train.iterations),
        "train_cfg": {"type": "IterBasedTrainLoop", "max_iters": train.iterations},
        "input_px": train.input_px,
    }


def loss_config(loss: LossParams, aux_weight: float) -> dict[str, Any]:
    """Return the segmentor's `loss` argument."""
    return {
        "thresh": loss.ohem_thresh,
        "min_kept_per_image": loss.ohem_min_kept,
        "divide_by": loss.divide_by,
        "aux_weight": aux_weight,
        "aux_ohem": loss.aux_ohem,
    }


def optimizer_config(params: OptimizerParams) -> dict[str, Any]:
    """Return mmengine's `optim_wrapper` (Q33)."""
    arguments: dict[str, Any] = {
        "type": params.type,
        "lr": params.lr,
        "weight_decay": params.weight_decay,
        "fused": True,  # one kernel for all weights, on the CPU as well
    }
    if params.type == "SGD":
        arguments["momentum"] = params.momentum
    else:
        arguments["betas"] = (params.momentum, 0.999)
    multipliers: dict[str, dict[str, float]] = {}
    if params.head_lr_mult != 1:
        multipliers["head"] = {"lr_mult": params.head_lr_mult}
    if not params.decay_norm:
        multipliers |= {"pos_block": {"decay_mult": 0.0}, "norm": {"decay_mult": 0.0}}
    wrapper: dict[str, Any] = {"type": "OptimWrapper", "optimizer": arguments}
    if multipliers:
        wrapper["constructor"] = "MergedGroupsConstructor"
        wrapper["paramwise_cfg"] = {"custom_keys": multipliers}
    return wrapper


def schedule_config(params: OptimizerParams, iterations: int) -> list[dict[str, Any]]:
    """Return mmengine's `param_scheduler`: polynomial decay, at first under a warm-up (Q33).

    The decay starts with the run, not after the warm-up, as in MMSegmentation 0.x, which the paper
    used: the two factors multiply. (MMSegmentation 1.x starts it afterwards: rates 5 % higher.)
    """
    warmup = min(params.warmup_iters, iterations - 1)
    schedule: list[dict[str, Any]] = []
    if warmup:
        schedule.append(
            {
                "type": "LinearLR",
                "start_factor": params.warmup_from,
                "by_epoch": False,
                "begin": 0,
                "end": warmup,
            }
        )
    schedule.append(
        {
            "type": "PolyLR",
            "power": params.power,
            "eta_min": params.min_lr,
            "begin": 0,
            "end": iterations,
            "by_epoch": False,
        }
    )
    return schedule
