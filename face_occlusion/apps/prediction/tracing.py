"""Networks whose sizes a tracer follows, so that an ONNX file of one takes images of any size.

A tracer records operations on tensors. What our networks compute of an image's size in Python
(which pixels a cell averages, how much a convolution pads, the matrix of a resize) would stay that
of the traced example. The copy made here computes it with operations that are recorded: resizes
are MMSegmentation's, of which our heads are faster forms, and pooling is two products.
"""

import copy
from types import MethodType
from typing import Any

import torch
from mmseg.models import decode_heads
from torch import Tensor, nn
from torch.nn import functional

from face_occlusion.apps.prediction.mmseg import STOCK
from face_occlusion.networks.efficientnet_lite import SameConv2d
from face_occlusion.networks.products import pooling_members
from face_occlusion.networks.segmentor import FaceSegmentor


def traceable(model: FaceSegmentor) -> FaceSegmentor:
    """Return a copy on the CPU for inference: the same function, for inputs of any size."""
    made = copy.deepcopy(model)
    made.cpu().eval()
    for module in made.modules():
        if stock := getattr(decode_heads, STOCK.get(type(module).__name__, ""), None):
            module.forward = MethodType(stock.forward, module)
        elif isinstance(module, SameConv2d):
            module.forward = MethodType(_convolve, module)
        elif isinstance(module, nn.AdaptiveAvgPool2d) and module.output_size != 1:
            module.forward = MethodType(_pool, module)  # ONNX pools to one cell only
    return made


def _convolve(conv: SameConv2d, x: Tensor) -> Tensor:
    """Convolve (N, C, H, W) with TensorFlow's "same" padding."""
    (kernel, _), (stride, _), (dilation, _) = conv.kernel_size, conv.stride, conv.dilation
    reach = (kernel - 1) * dilation  # which a kernel needs beside the pixel under its first tap
    padding = reach // 2
    if stride > 1:
        pads = []
        for size in (x.shape[3], x.shape[2]):
            total = reach + 1 - stride + -size % stride
            pads += [total // 2, total - total // 2]
        x, padding = functional.pad(x, pads), 0
    return functional.conv2d(x, conv.weight, None, stride, padding, dilation, conv.groups)


def _pool(pool: nn.AdaptiveAvgPool2d, x: Tensor) -> Tensor:
    """Average (N, C, H, W) over a square grid of cells."""
    cells: Any = pool.output_size  # along a side

    def averages(size: int) -> Tensor:  # (cells, size)
        members = pooling_members(size, cells, x.device).to(x.dtype)
        return members / members.sum(1, keepdim=True)

    return torch.matmul(torch.matmul(averages(x.shape[2]), x), averages(x.shape[3]).T)
