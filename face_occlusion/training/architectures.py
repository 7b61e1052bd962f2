"""The architectures of Table 4 as MMSegmentation configures them: parameters and configs.

A config is a function of its parameters, so that a profile changes depth or width in one place.

DeepLabv3+ (Chen et al., ECCV 2018) is as the paper's one published configuration has it, PSPNet
(Zhao et al., CVPR 2017) the same but for the head. Of SegFormer (Xie et al., NeurIPS 2021) the
paper gives optimiser, rate and decay; warm-up, the heads' tenfold rate, norms without decay and the
head's 256 channels are MMSegmentation's. docs/paper.md lists where the paper's text and that
configuration differ, and the parameter that gives the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from face_occlusion.core.params import FILLED, Checked, Count, Meta, NonNegative
from face_occlusion.networks.efficientnet_lite import INPUT_SCALING, stage_channels
from face_occlusion.training.settings import LossParams, OptimizerParams, require

RESNET = "resnet"
EXPANSION = {18: 1, 34: 1, 50: 4, 101: 4, 152: 4}  # width of a stage's output / its base width
STRIDES = {8: (1, 2, 1, 1), 16: (1, 2, 2, 1), 32: (1, 2, 2, 2)}
DILATIONS = {8: (1, 1, 2, 4), 16: (1, 1, 1, 2), 32: (1, 1, 1, 1)}

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


Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{8,64}$")] | None  # or its first digits


@dataclass(frozen=True, kw_only=True)
class ConvolutionalParams(Checked):
    """Parameters of an architecture on a ResNet-v1c or an EfficientNet-Lite."""

    title: str
    backbone: Literal["resnet", "efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"]
    depth: Literal[18, 34, 50, 101, 152, None]  # of a ResNet, else null
    # Of a ResNet's first stage, else null; ImageNet weights need 64.
    base_channels: Annotated[int, Meta(ge=2)] | None
    num_stages: Literal[3, 4]  # of the backbone, from the finest; 3 leave out the coarsest
    output_stride: Literal[8, 16, 32]  # input size / size of the last feature map
    head_channels: Annotated[int, Meta(ge=2)]
    aux_weight: NonNegative  # of the auxiliary head's loss; 0 leaves the head out
    pretrained: str | None  # ImageNet weights: a path, a URL, imagenet, or null for random ones
    pretrained_sha256: Sha256 = None  # of that file, or its start, unless its name ends on it
    norm_eval: bool  # keep the statistics of the pretrained weights in the backbone's batch norm
    optimizer: OptimizerParams

    def __post_init__(self) -> None:
        super().__post_init__()
        sizes = (self.depth, self.base_channels)
        require(
            None not in sizes if self.backbone == RESNET else sizes == (None, None),
            f"depth and base_channels must be given with the backbone {RESNET}, and null with "
            f"others, whose size is in their name; got {sizes} with {self.backbone}",
        )
        require(
            self.num_stages == 4 or self.output_stride < 32,
            "output_stride must be 8 or 16 with num_stages: 3, whose last stage has that stride",
        )
        require(
            self.pretrained is not None or not self.norm_eval,
            "norm_eval must be false without pretrained weights, whose statistics it keeps",
        )

    @property
    def variant(self) -> str:
        """The EfficientNet-Lite's name: lite0, lite1 or lite2."""
        return self.backbone.removeprefix("efficientnet_")

    @property
    def stage_channels(self) -> list[int]:
        """Channels of the stages' feature maps, finest first."""
        if self.depth is None or self.base_channels is None:
            return stage_channels(self.variant)[: self.num_stages]
        width = self.base_channels * EXPANSION[self.depth]
        return [width * 2**stage for stage in range(self.num_stages)]


@dataclass(frozen=True, kw_only=True)
class PspnetParams(ConvolutionalParams):
    """Section `models.pspnet`."""


@dataclass(frozen=True, kw_only=True)
class Deeplabv3plusParams(ConvolutionalParams):
    """Section `models.deeplabv3plus`."""

    # Of the atrous spatial pyramid, in pixels of the feature map.
    dilations: Annotated[Sequence[Count], FILLED]
    skip_channels: Count  # what the decoder takes from the first stage


@dataclass(frozen=True, kw_only=True)
class SegformerParams(Checked):
    """Section `models.segformer`."""

    title: str
    variant: Literal["b0", "b1", "b2", "b3", "b4", "b5"]
    head_channels: Annotated[int, Meta(ge=2)]
    drop_path_rate: Annotated[float, Meta(ge=0, lt=1)]
    pretrained: str | None  # ImageNet weights: a path, a URL, or null for random ones
    pretrained_sha256: Sha256 = None  # of that file, or its start, unless its name ends on it
    optimizer: OptimizerParams


ModelParams = PspnetParams | Deeplabv3plusParams | SegformerParams
ARCHITECTURES: dict[str, type[ModelParams]] = {
    "pspnet": PspnetParams,
    "deeplabv3plus": Deeplabv3plusParams,
    "segformer": SegformerParams,
}


def model_config(params: ModelParams, loss: LossParams, norm: str) -> dict[str, Any]:
    """Return the segmentor's arguments without its loss; `norm` is BN or SyncBN."""
    if isinstance(params, SegformerParams):
        return _segformer(params, loss, norm)
    if isinstance(params, PspnetParams):
        decoder = {"type": "PyramidHead", "pool_scales": (1, 2, 3, 6)}
        return _convolutional(params, loss, norm, decoder)
    decoder = {
        "type": "SeparableAsppHead",
        "dilations": tuple(params.dilations),
        "c1_in_channels": params.stage_channels[0],
        "c1_channels": params.skip_channels,
    }
    return _convolutional(params, loss, norm, decoder)


def _convolutional(
    params: ConvolutionalParams, loss: LossParams, norm: str, decoder: dict[str, Any]
) -> dict[str, Any]:
    """Return the arguments around those that only one decode head has."""
    norm_cfg = {"type": norm, "requires_grad": True}
    return {
        "type": "FaceSegmentor",
        **_backbone(params, norm_cfg),
        "decode_head": {
            "in_channels": params.stage_channels[-1],
            "in_index": params.num_stages - 1,
            "channels": params.head_channels,
            **decoder,
            **_head(loss, norm_cfg),
        },
        "auxiliary_head": {
            "type": "FCNHead",
            "in_channels": params.stage_channels[-2],
            "in_index": params.num_stages - 2,
            "channels": params.head_channels // 2,
            "num_convs": 1,
            "concat_input": False,
            **_head(loss, norm_cfg),
        }
        if params.aux_weight
        else None,
    }


def _backbone(params: ConvolutionalParams, norm_cfg: dict[str, Any]) -> dict[str, Any]:
    """Return the segmentor's `backbone`, and its `input_scaling` where it is not the default."""
    if params.backbone != RESNET:
        backbone = {
            "type": "EfficientNetLite",
            "variant": params.variant,
            "output_stride": params.output_stride,
            "num_stages": params.num_stages,
            "norm_cfg": norm_cfg,
            "norm_eval": params.norm_eval,
        }
        return {"backbone": backbone, "input_scaling": INPUT_SCALING}
    return {
        "backbone": {
            "type": "BlockwiseResNetV1c",
            "depth": params.depth,
            "stem_channels": params.base_channels,
            "base_channels": params.base_channels,
            "num_stages": params.num_stages,
            "out_indices": tuple(range(params.num_stages)),
            "dilations": DILATIONS[params.output_stride][: params.num_stages],
            "strides": STRIDES[params.output_stride][: params.num_stages],
            "norm_cfg": norm_cfg,
            "norm_eval": params.norm_eval,
            "style": "pytorch",
            "contract_dilation": True,
        }
    }


def _segformer(params: SegformerParams, loss: LossParams, norm: str) -> dict[str, Any]:
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
            **_head(loss, {"type": norm, "requires_grad": True}),
        },
        "auxiliary_head": None,
    }


def _head(loss: LossParams, norm_cfg: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments that all heads share."""
    return {
        "num_classes": 2,
        "out_channels": loss.out_channels,
        "threshold": 0.5 if loss.out_channels == 1 else None,
        "dropout_ratio": 0.1,
        "norm_cfg": norm_cfg,
        "align_corners": False,
        # Never called: FaceSegmentor has the loss. The argument silences a warning.
        "loss_decode": {"type": "CrossEntropyLoss", "avg_non_ignore": True},
    }
