"""What the config.json of a run may hold: a closed list of types, and of the keys of each.

mmengine's registries import whatever name a `type` gives and call it with the other keys, so a
configuration from elsewhere could run any code. Everything here is compared before that, and only
text, numbers and the mappings of this list pass.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

_LARGEST = 1.7e308  # which infinities and "not a number" exceed
_NUMBER: Any = Annotated[float, msgspec.Meta(ge=-_LARGEST, le=_LARGEST)]


def _mapping(kind: str | None, keys: Mapping[str, Any]) -> Any:
    """Describe a mapping by its `type`, if it has one, and by the values of its keys.

    `?` ends a key that may be left out or null.
    """
    fields = [
        (key.removesuffix("?"), value | None, None) if key.endswith("?") else (key, value)
        for names, value in keys.items()
        for key in names.split()
    ]
    tag: Any = {"tag_field": "type", "tag": kind} if kind else {}
    return msgspec.defstruct(
        kind or "Mapping", fields, kw_only=True, forbid_unknown_fields=True, **tag
    )


_NORM = _mapping("BN", {"requires_grad": bool}) | _mapping("SyncBN", {"requires_grad": bool})
_HEAD = {
    "in_channels in_index": int | list[int],
    "channels num_classes out_channels": int,
    "threshold": _NUMBER | None,
    "dropout_ratio": _NUMBER,
    "norm_cfg": _NORM,
    "align_corners": bool,
    "loss_decode": _mapping("CrossEntropyLoss", {"avg_non_ignore": bool}),
}
_MIX_TRANSFORMER = {
    "in_channels embed_dims num_stages mlp_ratio": int,
    "num_layers num_heads patch_sizes sr_ratios out_indices": list[int],
    "qkv_bias": bool,
    "drop_rate attn_drop_rate drop_path_rate": _NUMBER,
}
_RESNET = {
    "depth stem_channels base_channels num_stages": int,
    "out_indices dilations strides": list[int],
    "norm_cfg": _NORM,
    "norm_eval contract_dilation": bool,
    "style": Literal["pytorch"],
}
_EFFICIENTNET = {
    "variant": Literal["lite0", "lite1", "lite2"],
    "output_stride": Literal[8, 16, 32],
    "num_stages?": Literal[3, 4],
    "norm_cfg": _NORM,
    "norm_eval": bool,
}
_ASPP = {"dilations": list[int], "c1_in_channels c1_channels": int}
_LOSS = {
    "thresh aux_weight": _NUMBER,
    "min_kept_per_image": int,
    "divide_by": Literal["kept", "valid"],
    "aux_ohem": bool,
}
MODEL = _mapping(
    "FaceSegmentor",
    {
        "backbone": _mapping("LeanMixTransformer", _MIX_TRANSFORMER)
        | _mapping("BlockwiseResNetV1c", _RESNET)
        | _mapping("EfficientNetLite", _EFFICIENTNET),
        "decode_head": _mapping("PyramidHead", _HEAD | {"pool_scales": list[int]})
        | _mapping("SeparableAsppHead", _HEAD | _ASPP)
        | _mapping("LeanSegformerHead", _HEAD),
        "auxiliary_head?": _mapping("FCNHead", _HEAD | {"num_convs": int, "concat_input": bool}),
        "input_scaling?": _mapping(None, {"mean std": list[_NUMBER]}),
        "loss": _mapping(None, _LOSS),
    },
)
_SGD = {"lr weight_decay momentum": _NUMBER, "fused": bool}
_ADAM = {"lr weight_decay": _NUMBER, "betas": list[_NUMBER], "fused": bool}
_MULTIPLIER = _mapping(None, {"lr_mult? decay_mult?": _NUMBER})
_MULTIPLIERS = _mapping(None, {"head? pos_block? norm?": _MULTIPLIER})
_WRAPPER = {
    "optimizer": _mapping("SGD", _SGD) | _mapping("AdamW", _ADAM),
    "constructor?": Literal["MergedGroupsConstructor"],
    "paramwise_cfg?": _mapping(None, {"custom_keys": _MULTIPLIERS}),
}
_SCHEDULE = {"by_epoch": bool, "begin end": int}
_WARM_UP = _mapping("LinearLR", _SCHEDULE | {"start_factor": _NUMBER})
_DECAY = _mapping("PolyLR", _SCHEDULE | {"power eta_min": _NUMBER})
CONFIG = _mapping(
    None,
    {
        "model": MODEL,
        "optim_wrapper": _mapping("OptimWrapper", _WRAPPER),
        "param_scheduler": list[_WARM_UP | _DECAY],
        "train_cfg": _mapping("IterBasedTrainLoop", {"max_iters": int}),
        "input_px": int,
    },
)


def check_config(value: Any, kind: Any) -> None:
    """Check a configuration, CONFIG, or its part MODEL before anything is built from it.

    `value` is as JSON gives it, or as `training.recipe.resolve` made it. A ValueError names the key
    (`$` is the whole), what came and what is expected.
    """
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        wide = "only what this package trains is built, because anything else could run any code"
        raise ValueError(f"{error}: {wide}") from error
