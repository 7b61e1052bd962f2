from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mmseg.models.losses import CrossEntropyLoss
from mmseg.structures.sampler import OHEMPixelSampler
from torch.nn import functional

from face_occlusion.core.classes import IGNORED
from face_occlusion.networks import loss as loss_module
from face_occlusion.networks.loss import mean_loss, ohem_loss

SHAPE = (3, 11, 17)  # N, H, W


def batch(seed: int, channels: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    logits = torch.tensor(rng.normal(0, 2, (SHAPE[0], channels, *SHAPE[1:])), dtype=torch.float32)
    seg_map = torch.tensor(rng.choice([0, 1, IGNORED], SHAPE, p=[0.5, 0.4, 0.1]).astype(np.uint8))
    return logits, seg_map


def slow_loss(logits, seg_map, thresh, min_kept, divide_by) -> float:
    """Sort the losses of all pixels: what the definition says."""
    scores, seg_map = logits.double().numpy(), seg_map.numpy()
    log_odds = scores[:, 0] if scores.shape[1] == 1 else scores[:, 1] - scores[:, 0]
    face = 1 / (1 + np.exp(-log_odds))
    right = np.where(seg_map == 1, face, 1 - face)[seg_map != IGNORED]  # their probability
    losses = -np.log(np.sort(right))
    hard = losses[np.sort(right) < thresh]
    kept = hard if len(hard) >= min_kept else losses[:min_kept]
    return kept.sum() / (len(kept) if divide_by == "kept" else len(right))


# The threshold decides, the minimum does, more than there are and so all are kept, all are hard.
LIMITS = [(0.7, 1), (0.05, 200), (0.05, 10_000), (1.0, 1)]


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("divide_by", ["kept", "valid"])
@pytest.mark.parametrize(("thresh", "min_kept"), LIMITS)
def test_equals_a_sorted_list(channels, divide_by, thresh, min_kept):
    logits, seg_map = batch(1, channels)
    got = ohem_loss(logits, seg_map, thresh=thresh, min_kept=min_kept, divide_by=divide_by)
    want = slow_loss(logits, seg_map, thresh, min_kept, divide_by)
    assert got.item() == pytest.approx(want, rel=1e-5)


@given(
    arrays(np.float32, st.integers(1, 60), elements=st.floats(0, 2.0**120, width=32)),
    st.integers(1, 60),
)
def test_the_radix_finds_what_a_sort_finds(values: np.ndarray, k: int):
    k = min(k, len(values))
    found = loss_module.radix_kth_largest(torch.from_numpy(values), k)
    assert found.item() == np.sort(values)[::-1][k - 1]
    assert found.item() == loss_module.kth_largest(torch.tensor(values), k)


@pytest.mark.parametrize(("thresh", "min_kept"), [*LIMITS, (0.3, 90)])
def test_the_gpus_selection_equals_the_cpus(thresh, min_kept, monkeypatch):
    logits, seg_map = batch(6, 1)
    losses = loss_module.pixel_losses(logits.round(), seg_map)  # rounded, so that some tie
    valid = seg_map != IGNORED
    want = loss_module.hard_pixels(losses, valid, thresh, min_kept)
    monkeypatch.setattr(torch.Tensor, "is_cuda", property(lambda _: True))
    got = loss_module.hard_pixels(losses, valid, thresh, min_kept)
    assert torch.equal(got, want) and want.any()


@pytest.mark.parametrize(("thresh", "min_kept"), [(0.7, 2), (0.01, 40)])
def test_softmax_divided_by_valid_equals_mmsegmentation(thresh, min_kept):
    """Loss and gradient; MMSegmentation's min_kept is per image, ours of the batch."""
    logits, seg_map = batch(2, 2)
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    target = seg_map.long()
    sampler = OHEMPixelSampler(SimpleNamespace(ignore_index=IGNORED), thresh, min_kept)
    weight = sampler.sample(theirs, target[:, None])
    want = CrossEntropyLoss(avg_non_ignore=True)(theirs, target, weight, ignore_index=IGNORED)
    kept = int(weight.sum())  # with few hard pixels theirs keeps one less than at a tie
    got = ohem_loss(ours, seg_map, thresh=thresh, min_kept=kept, divide_by="valid")
    assert got.item() == pytest.approx(want.item(), rel=1e-5)
    got.backward()
    want.backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-8)


def test_without_mining_equals_binary_cross_entropy_at_the_size_of_the_map():
    logits, seg_map = batch(3, 1)
    valid = seg_map != IGNORED
    target = (seg_map == 1)[valid].float()
    want = functional.binary_cross_entropy_with_logits(logits[:, 0][valid], target)
    assert mean_loss(logits, seg_map).item() == pytest.approx(want.item(), rel=1e-6)
    small = functional.avg_pool2d(logits, 3)
    resized = functional.interpolate(small, size=SHAPE[1:], mode="bilinear")
    assert mean_loss(small, seg_map).item() == pytest.approx(mean_loss(resized, seg_map).item())


def test_ignored_pixels_have_no_gradient_and_all_ignored_is_zero():
    logits, seg_map = batch(4, 1)
    logits.requires_grad_()
    ohem_loss(logits, seg_map, thresh=1.0, min_kept=1, divide_by="kept").backward()
    assert (logits.grad[:, 0][seg_map == IGNORED] == 0).all()
    nothing = torch.full(SHAPE, IGNORED, dtype=torch.uint8)
    assert ohem_loss(logits, nothing, thresh=0.7, min_kept=5, divide_by="kept").item() == 0
