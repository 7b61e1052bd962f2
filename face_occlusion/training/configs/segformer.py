"""SegFormer (Xie et al., NeurIPS 2021) as MMSegmentation configures it.

At `paper`: MiT-B5, head of 256 channels (MMSegmentation's; SegFormer's authors have 768). The paper
gives optimiser, rate and decay (AdamW, 6e-5, 0.01) and published no configuration; warm-up, the
heads' tenfold rate and norms without decay are MMSegmentation's recipe. The loss: DeepLabv3+'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from face_occlusion.training.configs.resnet import head
from face_occlusion.training.settings import LossParams, OptimizerParams, require, require_sha256

# Mix transformer: width of the first stage, blocks per stage.
VARIANTS = {
    "b0": (32, (2, 2, 2, 2)),
    "b1": (64, (2, 2, 2, 2)),
    "b2": (64, (3, 4, 6, 3)),
    "b3": (64, (3, 4, 18, 3)),
    "b4": (64, (3, 8, 27, 3)),
    "b5": (64, (3, 6, 40, 3)),
}
NUM_HEADS = (1, 2, 5, 8)  # stage i is NUM_HEADS[i] times as wide as the first


@dataclass(frozen=True, kw_only=True)
class Params:
    """Section `models.segformer`."""

    title: str
    variant: str
    head_channels: int
    drop_path_rate: float
    pretrained: str | None  # ImageNet weights: a path, a URL, or null for random ones
    pretrained_sha256: str | None  # of that file, or its start; null if its name ends on it
    optimizer: OptimizerParams

    def __post_init__(self) -> None:
        require(
            self.variant in VARIANTS,
            f"variant must be one of {sorted(VARIANTS)}; got {self.variant!r}",
        )
        require(self.head_channels >= 2, f"head_channels must be >= 2; got {self.head_channels}")
        require_sha256("pretrained_sha256", self.pretrained_sha256)
        require(
            0 <= self.drop_path_rate < 1,
            f"drop_path_rate must lie in [0, 1); got {self.drop_path_rate}",
        )


def config(params: Params, loss: LossParams, norm: str) -> dict[str, Any]:
    width, num_layers = VARIANTS[params.variant]
    return {
        "type": "FaceSegmentor",
        "backbone": {
            "type": "LeanMixTransformer",
            "in_channels": 3,
            "embed_dims": width,
            "num_stages": 4,
            "num_layers": num_layers,
            "num_heads": NUM_HEADS,
            "patch_sizes": (7, 3, 3, 3),
            "sr_ratios": (8, 4, 2, 1),
            "out_indices": (0, 1, 2, 3),
            "mlp_ratio": 4,
            "qkv_bias": True,
            "drop_rate": 0.0,
            "attn_drop_rate": 0.0,
            "drop_path_rate": params.drop_path_rate,
        },
        "decode_head": {
            "type": "LeanSegformerHead",
            "in_channels": [width * heads for heads in NUM_HEADS],
            "in_index": [0, 1, 2, 3],
            "channels": params.head_channels,
            **head(loss, {"type": norm, "requires_grad": True}),
        },
        "auxiliary_head": None,
    }
