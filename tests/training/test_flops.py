"""The operations that the ceiling of `bench.training` is made from."""

import pytest
import torch

from bench.training import step_flops


@pytest.mark.parametrize("groups", [1, 4, 64])
@pytest.mark.parametrize("kind", [torch.nn.Conv2d, torch.nn.ConvTranspose2d])
def test_a_convolutions_step_is_three_times_its_forward_pass(kind, groups):
    convolution = kind(64, 64, 3, padding=1, groups=groups)
    image = torch.rand(2, 64, 8, 8, requires_grad=True)
    forward = 2 * (2 * 8 * 8) * 64 * (64 // groups) * 9
    assert step_flops(lambda: convolution(image)) == forward
    assert step_flops(lambda: convolution(image).sum().backward()) == 3 * forward
    assert step_flops(lambda: convolution(image.detach()).sum().backward()) == 2 * forward
