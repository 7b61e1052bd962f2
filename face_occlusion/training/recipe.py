"""The recipe around a network: the resolved configuration, its optimiser and schedules.

The resolved configuration is written to `models/RUN/config.json`, which mmengine's
`Config.fromfile` reads.
"""

import copy
from typing import Any

from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper, build_optim_wrapper
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS, PARAM_SCHEDULERS
from torch import nn

from face_occlusion.training.architectures import ModelParams, model_config
from face_occlusion.training.settings import OptimizerParams, TrainParams


def resolve(params: ModelParams, train: TrainParams, *, distributed: bool) -> dict[str, Any]:
    """Return the whole configuration of a run as plain values.

    If several processes train the run (`distributed`), statistics are shared (SyncBN); a single
    process has nothing to share, and SyncBN does not run on the CPU. The weights' names are the
    same.
    """
    return {
        "model": {
            **model_config(params, train.loss, "SyncBN" if distributed else "BN"),
            "loss": {
                "thresh": train.loss.ohem_thresh,
                "min_kept_per_image": train.loss.ohem_min_kept,
                "divide_by": train.loss.divide_by,
                "aux_weight": getattr(params, "aux_weight", 0.0),
                "aux_ohem": train.loss.aux_ohem,
            },
        },
        "optim_wrapper": optimizer_config(params.optimizer),
        "param_scheduler": schedule_config(params.optimizer, train.iterations),
        "train_cfg": {"type": "IterBasedTrainLoop", "max_iters": train.iterations},
        "input_px": train.input_px,
    }


def optimizer_config(params: OptimizerParams) -> dict[str, Any]:
    """Return mmengine's `optim_wrapper`."""
    is_sgd = params.type == "SGD"
    momentum = {"momentum": params.momentum} if is_sgd else {"betas": (params.momentum, 0.999)}
    arguments: dict[str, Any] = {
        "type": params.type,
        "lr": params.lr,
        "weight_decay": params.weight_decay,
        "fused": True,  # one kernel for all weights, on the CPU as well
        **momentum,
    }
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
    """Return mmengine's `param_scheduler`: polynomial decay, at first under a warm-up.

    The decay starts with the run, not after the warm-up, as in MMSegmentation 0.x, which the paper
    used: the two factors multiply. (MMSegmentation 1.x starts it afterwards: rates 5 % higher.)
    """
    decay = {"type": "PolyLR", "power": params.power, "eta_min": params.min_lr}
    schedules = [{**decay, "begin": 0, "end": iterations, "by_epoch": False}]
    if num_warmup := min(params.warmup_iters, iterations - 1):
        warmup = {"type": "LinearLR", "start_factor": params.warmup_from, "by_epoch": False}
        schedules.insert(0, {**warmup, "begin": 0, "end": num_warmup})
    return schedules


def build_optimizer(model: nn.Module, config: dict[str, Any]) -> OptimWrapper:
    """Build the optimiser of a resolved configuration, wrapped as `train_step` takes it."""
    return build_optim_wrapper(model, copy.deepcopy(config["optim_wrapper"]))


def build_schedules(optimizer: OptimWrapper, config: dict[str, Any]) -> list[Any]:
    """Build the learning-rate schedules of a resolved configuration, to step once an iteration."""
    return [
        PARAM_SCHEDULERS.build({**schedule, "optimizer": optimizer})
        for schedule in config["param_scheduler"]
    ]


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class MergedGroupsConstructor(DefaultOptimWrapperConstructor):
    """mmengine's constructor, with parameters of equal settings in one group.

    mmengine's makes a group of each parameter once it has multipliers: for SegFormer-B5 over a
    thousand, each with its own kernel in the optimiser's step and its own turn in the schedule.
    The updates are the same.
    """

    def add_params(
        self, params: list[dict], module: nn.Module, prefix: str = "", is_dcn_module: Any = None
    ) -> None:
        """Add a module's parameters to `params`, in the order in which settings first occur."""
        super().add_params(params, module, prefix, is_dcn_module)
        if prefix:  # called for a child
            return
        merged: dict[tuple, dict] = {}
        for group in params:
            settings = tuple(sorted((key, group[key]) for key in group if key != "params"))
            merged.setdefault(settings, {**group, "params": []})["params"] += group["params"]
        params[:] = merged.values()
