"""MMSegmentation's networks with the same weights and cheaper arithmetic.

Each class computes what its parent computes, up to rounding, and has the parent's state dict key
for key; the tests compare them on the CPU. What differs is said where it differs.
"""

from __future__ import annotations

from face_occlusion.networks.mix_transformer import LeanMixTransformer, mix_block
from face_occlusion.networks.pyramid_head import PyramidHead
from face_occlusion.networks.resnet import BlockwiseResNetV1c, run_module
from face_occlusion.networks.segformer_head import LeanSegformerHead
from face_occlusion.networks.separable_aspp_head import SeparableAsppHead

__all__ = [
    "BlockwiseResNetV1c",
    "LeanMixTransformer",
    "LeanSegformerHead",
    "PyramidHead",
    "SeparableAsppHead",
    "mix_block",
    "run_module",
]
