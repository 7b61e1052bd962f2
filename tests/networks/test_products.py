import pytest
import torch
from torch.nn import functional

from face_occlusion.networks.products import pool_pyramid, resize, resize_last


def features(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", [(20, 28), (5, 7), (13, 9), (3, 4)])
def test_resizing_equals_pytorchs_and_so_does_its_gradient(size):
    ours, theirs = (features(1, 2, 3, 5, 7).requires_grad_() for _ in range(2))
    weight = features(2, 2, 3, *size)
    got = resize(ours, size)
    want = functional.interpolate(theirs, size=size, mode="bilinear", align_corners=False)
    torch.testing.assert_close(got, want)
    torch.testing.assert_close(resize_last(ours.permute(0, 2, 3, 1), size).permute(0, 3, 1, 2), got)
    (got * weight).sum().backward()
    (want * weight).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize("size", [(8, 12), (7, 11), (6, 6)])
def test_pooling_equals_adaptive_pooling(size):
    maps, scales = features(3, 2, 5, *size), (1, 2, 3, 6)
    want = [functional.adaptive_avg_pool2d(maps, scale).flatten(2) for scale in scales]
    torch.testing.assert_close(pool_pyramid(maps, scales), torch.cat(want, 2).transpose(1, 2))
