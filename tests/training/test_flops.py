"""The operations and bytes that the ceilings of `bench.training` are made from."""

import pytest
import torch

from bench.training import step_bytes, step_flops


@pytest.mark.parametrize("groups", [1, 64])
@pytest.mark.parametrize("kind", [torch.nn.Conv2d, torch.nn.ConvTranspose2d])
def test_a_convolutions_step_is_three_times_its_forward_pass(kind, groups):
    convolution = kind(64, 64, 3, padding=1, groups=groups)
    image = torch.rand(2, 64, 8, 8, requires_grad=True)
    forward = 2 * (2 * 8 * 8) * 64 * (64 // groups) * 9
    assert step_flops(lambda: convolution(image)) == forward
    assert step_flops(lambda: convolution(image).sum().backward()) == 3 * forward
    assert step_flops(lambda: convolution(image.detach()).sum().backward()) == 2 * forward


def test_a_steps_bytes_are_those_of_products_and_of_the_optimisers_state():
    weight, rows = torch.nn.Parameter(torch.rand(4, 6)), torch.rand(5, 6)
    optimizer = torch.optim.AdamW([weight], fused=True)
    assert step_bytes(lambda: (rows @ weight.T).relu()) == 4 * (5 * 6 + 4 * 6 + 5 * 4)
    weight.grad = torch.rand(4, 6)
    optimizer.step()  # its state is made
    # Four are read and three written, and the number of steps is both.
    assert step_bytes(optimizer.step) == 7 * 4 * (4 * 6) + 8
