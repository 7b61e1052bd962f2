"""What the config.json of a run may hold: a closed list of types, and of the keys of each.

mmengine's registries import whatever name a `type` gives and call it with the other keys, so a
configuration from elsewhere could run any code. Everything here is compared before that, and only
text, numbers and the mappings of this list pass.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any


def _is_int(value: object) -> bool:
    return type(value) is int


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and type(value) is not bool and abs(value) < math.inf


def _are(is_one: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, list | tuple) and all(map(is_one, value))


# Kind of a value -> (what an error calls it, its test). Every other kind is a mapping, below.
_PLAIN: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "int": ("an integer", _is_int),
    "number": ("a number", _is_number),
    "bool": ("true or false", lambda value: isinstance(value, bool)),
    "ints": ("a list of integers", _are(_is_int)),
    "numbers": ("a list of numbers", _are(_is_number)),
    "int or ints": ("integers", lambda value: _is_int(value) or _are(_is_int)(value)),
    "number or null": ("a number or null", lambda value: value is None or _is_number(value)),
    "divisor": ("kept or valid", lambda value: value in ("kept", "valid")),
    "variant": ("lite0, lite1 or lite2", lambda value: value in ("lite0", "lite1", "lite2")),
    "style": ("pytorch", lambda value: value == "pytorch"),
    "constructor": ("MergedGroupsConstructor", lambda value: value == "MergedGroupsConstructor"),
}
_HEAD = {
    "in_channels in_index": "int or ints",
    "channels num_classes out_channels": "int",
    "threshold": "number or null",
    "dropout_ratio": "number",
    "norm_cfg": "norm",
    "align_corners": "bool",
    "loss_decode": "pixel loss",
}
_SCHEDULE = {"by_epoch": "bool", "begin end": "int"}
# Kind of a mapping -> its `type` ("" if it has none) -> keys and the kind of their values; "?"
# before a kind allows the key to be left out, or null where the kind is a mapping.
_MAPPINGS: dict[str, dict[str, dict[str, str]]] = {
    "config": {
        "": {
            "model": "model",
            "optim_wrapper": "wrapper",
            "param_scheduler": "schedules",
            "train_cfg": "training",
            "input_px": "int",
        }
    },
    "model": {
        "FaceSegmentor": {
            "backbone": "backbone",
            "decode_head": "decode head",
            "auxiliary_head": "?auxiliary head",
            "input_scaling": "?scaling",
            "loss": "loss",
        }
    },
    "backbone": {
        "LeanMixTransformer": {
            "in_channels embed_dims num_stages mlp_ratio": "int",
            "num_layers num_heads patch_sizes sr_ratios out_indices": "ints",
            "qkv_bias": "bool",
            "drop_rate attn_drop_rate drop_path_rate": "number",
        },
        "BlockwiseResNetV1c": {
            "depth stem_channels base_channels num_stages": "int",
            "out_indices dilations strides": "ints",
            "norm_cfg": "norm",
            "norm_eval contract_dilation": "bool",
            "style": "style",
        },
        "EfficientNetLite": {
            "variant": "variant",
            "output_stride": "int",
            "num_stages": "?int",
            "norm_cfg": "norm",
            "norm_eval": "bool",
        },
    },
    "decode head": {
        "PyramidHead": {**_HEAD, "pool_scales": "ints"},
        "SeparableAsppHead": {**_HEAD, "dilations": "ints", "c1_in_channels c1_channels": "int"},
        "LeanSegformerHead": _HEAD,
    },
    "auxiliary head": {"FCNHead": {**_HEAD, "num_convs": "int", "concat_input": "bool"}},
    "norm": {name: {"requires_grad": "bool"} for name in ("BN", "SyncBN")},
    "pixel loss": {"CrossEntropyLoss": {"avg_non_ignore": "bool"}},
    "scaling": {"": {"mean std": "numbers"}},
    "loss": {
        "": {
            "thresh aux_weight": "number",
            "min_kept_per_image": "int",
            "divide_by": "divisor",
            "aux_ohem": "bool",
        }
    },
    "wrapper": {
        "OptimWrapper": {
            "optimizer": "optimizer",
            "constructor": "?constructor",
            "paramwise_cfg": "?groups",
        }
    },
    "optimizer": {
        "SGD": {"lr weight_decay momentum": "number", "fused": "bool"},
        "AdamW": {"lr weight_decay": "number", "betas": "numbers", "fused": "bool"},
    },
    "groups": {"": {"custom_keys": "multipliers"}},
    "multipliers": {"": {"head pos_block norm": "?multiplier"}},
    "multiplier": {"": {"lr_mult decay_mult": "?number"}},
    "schedule": {
        "LinearLR": {**_SCHEDULE, "start_factor": "number"},
        "PolyLR": {**_SCHEDULE, "power eta_min": "number"},
    },
    "training": {"IterBasedTrainLoop": {"max_iters": "int"}},
}


def check_config(value: Any, kind: str = "config", where: str = "") -> None:
    """Check a resolved configuration, or a part of it, before anything is built from it.

    `value` is as JSON gives it, or as `training.recipe.resolve` made it, `kind` what it must be,
    such as `config` or `model`, `where` the name of the part. A ValueError names the key, what came
    and what is expected.
    """
    if kind in _PLAIN:
        expected, is_valid = _PLAIN[kind]
        if not is_valid(value):
            raise ValueError(f"{where}: must be {expected}; got {_short(value)}")
    elif kind == "schedules":
        if not isinstance(value, list):
            raise ValueError(f"{where}: must be a list; got {_short(value)}")
        for number, schedule in enumerate(value):
            check_config(schedule, "schedule", f"{where}[{number}]")
    else:
        _check_mapping(value, _MAPPINGS[kind], where)


def _check_mapping(value: Any, types: Mapping[str, Mapping[str, str]], where: str) -> None:
    if not isinstance(value, dict):
        raise ValueError(f"{where or 'it'}: must be a mapping; got {_short(value)}")
    kinds = {"type": ""} if "" not in types else {}
    found = value.get("type", "") if kinds else ""
    if not isinstance(found, str) or found not in types:
        raise ValueError(
            f"{where}.type: must be {' or '.join(types)}; got {_short(found)}: nothing else is "
            "built, because it could run any code"
        )
    for keys, kind in types[found].items():
        kinds |= dict.fromkeys(keys.split(), kind)
    if unknown := [key for key in value if key not in kinds]:
        raise ValueError(
            f"{where or 'top level'}: unknown keys {_short(unknown)}; known: {sorted(kinds)}"
        )
    if missing := sorted(key for key in kinds if key not in value and kinds[key][:1] != "?"):
        raise ValueError(f"{where or 'top level'}: missing keys {missing}")
    for key, kind in kinds.items():
        is_absent = kind[:1] == "?" and value.get(key) is None
        if key != "type" and not is_absent:
            check_config(value[key], kind.removeprefix("?"), f"{where}.{key}".lstrip("."))


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
