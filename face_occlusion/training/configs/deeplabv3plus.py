"""DeepLabv3+ (Chen et al., ECCV 2018) as the paper's one published configuration has it.

At `paper`: ResNet-101-v1c, output stride 8, 512 channels, dilations 1/12/24/36, 48 channels from
the first stage, auxiliary FCN head weighted 0.4 and not mined; SGD 0.01, poly 0.9 down to 1e-4.

Where the paper's text and the published configuration (for MMSegmentation 0.30) differ, the text
is followed, and a parameter turns to the other:

- the loss is binary cross-entropy in the text, softmax over two channels in the configuration:
  `train.loss.out_channels` 1 or 2;
- the configuration divides the mined loss by all pixels, the text does not say by what:
  `train.loss.divide_by` kept or valid. (The configuration also counts the 255s in the corners of
  a rotated image; `valid` does not.)
- both have 8 images a step. The configuration mines among the two images of each of four GPUs, at
  least 20,000 pixels; here, at least 80,000 among the eight, by any number of GPUs;
- the configuration validates over 6 scales and mirrored, the text names none of it:
  `evaluate.tta` gives each score both ways; the selection uses neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from face_occlusion.training.configs.resnet import ResNetParams, segmentor
from face_occlusion.training.settings import LossParams, require


@dataclass(frozen=True, kw_only=True)
class Params(ResNetParams):
    """Section `models.deeplabv3plus`."""

    dilations: Sequence[int]  # of the atrous spatial pyramid, in pixels of the feature map
    skip_channels: int  # what the decoder takes from the first stage

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            len(self.dilations) > 0 and min(self.dilations) >= 1,
            f"dilations must be integers >= 1; got {list(self.dilations)}",
        )
        require(self.skip_channels >= 1, f"skip_channels must be >= 1; got {self.skip_channels}")


def config(params: Params, loss: LossParams, norm: str) -> dict[str, Any]:
    decoder = {
        "type": "SeparableAsppHead",
        "dilations": tuple(params.dilations),
        "c1_in_channels": params.out_channels // 8,
        "c1_channels": params.skip_channels,
    }
    return segmentor(params, loss, norm, decoder)
