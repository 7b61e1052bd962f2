"""Optimisers with few parameter groups."""

from __future__ import annotations

from typing import Any

from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn


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
