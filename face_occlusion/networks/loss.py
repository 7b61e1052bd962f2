"""Binary cross-entropy over logits with online hard example mining.

Both heads are one function of a pixel's log-odds m: the one logit of a sigmoid head, or the
difference face - background of a softmax head. With s = +1 on face and -1 on background the loss
is softplus(-s m), and p < thresh is the same as loss > -log(thresh): mining needs no
probabilities, and the softmax of two channels costs no more than the sigmoid of one.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from face_occlusion.core.classes import IGNORED
from face_occlusion.networks.products import resize

MAX_COUNTED = 2**24  # float32 counts exactly up to here


def log_odds(logits: Tensor) -> Tensor:
    """Return the log-odds of face per pixel, (N, H, W).

    The logits are (N, 1, H, W) of a sigmoid head, or (N, 2, H, W) of a softmax head with channel 1
    the face.
    """
    if logits.shape[1] == 1:
        return logits[:, 0]
    return logits[:, 1] - logits[:, 0]


def pixel_losses(logits: Tensor, seg_map: Tensor) -> Tensor:
    """Return -log p(true class) per pixel, (N, H, W) float32, 0 where the pixel is ignored.

    Takes (N, 1 or 2, H, W) logits and (N, H, W) uint8: 0 background, 1 face, 255 ignored.
    """
    signed = log_odds(logits).float()
    signed = torch.where(seg_map == 1, signed, -signed)
    return functional.softplus(-signed).masked_fill(seg_map == IGNORED, 0.0)


def hard_pixels(losses: Tensor, valid: Tensor, thresh: float, min_kept: int) -> Tensor:
    """Select the pixels that online hard example mining keeps, (N, H, W) bool.

    Kept are the valid pixels whose true class has a probability below `thresh`, in (0, 1]; where
    these are fewer than `min_kept` over the whole batch, the `min_kept` pixels of highest loss (and
    pixels that tie with the last of them). One of the two sets contains the other, so their union
    is the answer: on a GPU nothing is sorted, and the host need not learn which case it is.

    `losses`, (N, H, W) float32, are -log p(true class), 0 where not `valid`: where ignored.
    """
    hard = valid & (losses > -math.log(thresh))
    if not losses.is_cuda and int(hard.sum()) >= min_kept:
        return hard  # on the CPU this check costs nothing and saves the selection
    if losses.numel() <= min_kept:
        return valid
    lowest_kept = kth_largest(losses.flatten(), min_kept)
    return hard | (valid & (losses >= lowest_kept))


def kth_largest(values: Tensor, k: int) -> Tensor:
    """Return the k-th largest of (M,) float32 values >= 0, M >= k, as a tensor of no axes.

    On a GPU by radix, where `kthvalue` runs on one multiprocessor and a sort writes all values.
    """
    if values.is_cuda and len(values) <= MAX_COUNTED:
        return radix_kth_largest(values, k)
    return values.kthvalue(len(values) - k + 1).values


def radix_kth_largest(values: Tensor, k: int) -> Tensor:
    """Return `kth_largest` by radix, on any device, without waiting for the device.

    The bits of floats >= 0 are ordered as integers. Three histograms settle them from the highest
    down: of all values by their first ten bits, then by ten more of those that share the first
    ones, then by the rest.
    """
    bits = values.contiguous().view(torch.int32)
    found = torch.zeros((), dtype=torch.int32, device=values.device)
    wanted = torch.full((), float(k), device=values.device)  # rank among those that share `found`
    for shift, size in ((21, 10), (11, 10), (0, 11)):  # bit 31 is the sign
        shares = (bits >> (shift + size)) == (found >> (shift + size))
        digits = torch.where(shares, (bits >> shift) & (2**size - 1), -1).float()
        counts = torch.histc(digits, bins=2**size, min=0, max=2**size)
        at_least = counts.flip(0).cumsum(0).flip(0)  # values with this digit or a higher one
        digit = (at_least >= wanted).sum(dtype=torch.int32) - 1
        wanted = wanted - torch.where(at_least < wanted, at_least, 0).amax()  # those above it
        found = found | (digit << shift)
    return found.view(torch.float32)


def ohem_loss(
    logits: Tensor, seg_map: Tensor, *, thresh: float, min_kept: int, divide_by: str
) -> Tensor:
    """Return the mean binary cross-entropy of the hard pixels.

    Args:
        logits: (N, 1 or 2, h, w) float; resized bilinearly to the map's size, as MMSegmentation.
        seg_map: (N, H, W) uint8: 0 background, 1 face, 255 ignored.
        thresh: Pixels whose true class has a lower probability are hard.
        min_kept: Pixels kept at least, over the batch.
        divide_by: `kept` divides by the pixels kept; `valid` by all that are not ignored, which
            lowers the effective learning rate as fewer pixels stay hard (MMSegmentation).

    Returns:
        Scalar float32; 0 where every pixel is ignored.
    """
    losses, valid = _losses_at_map_size(logits, seg_map)
    kept = hard_pixels(losses.detach(), valid, thresh, min_kept)
    divisor = kept if divide_by == "kept" else valid
    return (losses * kept).sum() / divisor.sum().clamp(min=1)


def mean_loss(logits: Tensor, seg_map: Tensor) -> Tensor:
    """Return the binary cross-entropy over all valid pixels, without mining."""
    losses, valid = _losses_at_map_size(logits, seg_map)
    return losses.sum() / valid.sum().clamp(min=1)


def _losses_at_map_size(logits: Tensor, seg_map: Tensor) -> tuple[Tensor, Tensor]:
    """Return losses and valid pixels, both (N, H, W), at the map's size."""
    resized = resize(logits.float(), (seg_map.shape[1], seg_map.shape[2]))
    return pixel_losses(resized, seg_map), seg_map != IGNORED
