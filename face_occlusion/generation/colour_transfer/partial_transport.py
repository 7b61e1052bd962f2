"""Partial optimal transport: each hand colour gets its own face colour; other ones stay unused.

The paper names it as future work (SPOT, Bonneel & Coeurjolly 2019): lips, eyes and beard need not
be matched by anything on the hand.
"""

import numpy as np

from face_occlusion.core.arithmetic import product
from face_occlusion.generation.colour_transfer.transport import check_directions, step_inverse

NUM_COLOURS = 512  # of the hand's, matched one to one


def partial_change(
    wanted: np.ndarray,
    hand_pixels: np.ndarray,
    directions: np.ndarray,
    rng: np.random.Generator,
    share: float,
) -> np.ndarray:
    """Match a sample of the hand one to one; others follow the sample's nearest colours.

    Args:
        wanted: (M, 3) float32 in 0-1, the face's colours.
        hand_pixels: (N, 3) uint8, the hand's.
        directions: (steps, batch, 3) unit vectors.
        rng: Draws the samples of hand and face.
        share: Share of the face's sample that is matched, in (0, 1].

    Returns:
        (N, 3) float64, the change of each hand colour, on the scale 0-1.
    """
    num_hand = min(NUM_COLOURS, len(hand_pixels))
    num_face = int(np.ceil(num_hand / share))
    start = hand_pixels.astype(np.float32) / 255
    sample = start[rng.permutation(len(start))[:num_hand]]
    face_sample = wanted[np.resize(rng.permutation(len(wanted)), num_face)]
    moved = sliced_partial_transport(face_sample, sample, directions)
    return interpolate_change(sample, moved - sample, start)


def partial_assignment(target: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Assign sorted values to distinct sorted values at the least sum of squared distances.

    Exact, by dynamic programming over the number of source values left out so far; all rows are
    solved at once. An optimal injective assignment in one dimension keeps the order, so target i
    takes source i + k with k in 0..M - N that never falls.

    The rows of target, (B, N), and source, (B, M), are sorted; M < N is a ValueError. Returns (B,
    N) int64, strictly rising in each row: the source index of each target value.
    """
    (num_rows, num_target), num_source = target.shape, source.shape[1]
    if num_target > num_source:
        raise ValueError(
            f"target must not be larger than source; got {num_target} values for {num_source}"
        )
    num_skips = num_source - num_target + 1
    # reached_by[i, b, k]: the k' <= k that target i takes in the best solution ending at k.
    reached_by = np.empty((num_target, num_rows, num_skips), np.int32)
    positions = np.arange(num_skips, dtype=np.int32)
    best = np.zeros((num_rows, num_skips))
    for i in range(num_target):
        cost = best + (source[:, i : i + num_skips] - target[:, i, np.newaxis]) ** 2
        best = np.minimum.accumulate(cost, axis=1)
        reached_by[i] = np.where(cost == best, positions, 0)
    np.maximum.accumulate(reached_by, axis=2, out=reached_by)

    assigned = np.empty((num_rows, num_target), np.int64)
    skips = np.full(num_rows, num_skips - 1)
    rows = np.arange(num_rows)
    for i in reversed(range(num_target)):
        skips = reached_by[i, rows, skips]
        assigned[:, i] = i + skips
    return assigned


def sliced_partial_transport(
    source: np.ndarray, target: np.ndarray, directions: np.ndarray
) -> np.ndarray:
    """Move each target colour to a source colour of its own, leaving the others unmatched.

    As `transport.quantile_transport`, with the injective partial assignment along each direction
    in place of quantiles (Bonneel & Coeurjolly 2019, "SPOT"); M >= N.
    """
    check_directions(directions)
    if not len(target):
        raise ValueError("target must hold pixels; got none")
    colours = target.astype(np.float32)
    for batch in directions.astype(np.float32):
        wanted = np.sort(product(batch, source.T.astype(np.float32)), axis=1)
        along = product(batch, colours.T)
        order = np.argsort(along, axis=1, kind="stable")
        ordered = np.take_along_axis(along, order, axis=1)
        matched = np.take_along_axis(wanted, partial_assignment(ordered, wanted), axis=1)
        shift = np.empty_like(along)
        np.put_along_axis(shift, order, matched - ordered, axis=1)
        colours += product(step_inverse(batch), shift).T
    return colours


def interpolate_change(sample: np.ndarray, change: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Give each colour the mean change of its four nearest samples, weighted by closeness.

    The (K, 3) colours and the (N, 3) sample are float in 0-1; `change` says what becomes of each
    sample. Returns (K, 3) float64.
    """
    from scipy.spatial import KDTree

    sample, member, counts = np.unique(sample, axis=0, return_inverse=True, return_counts=True)
    member, total = member.ravel(), np.zeros((len(sample), 3))
    np.add.at(total, member, change)  # equal colours change alike
    change = total / counts[:, np.newaxis]
    distance, index = KDTree(sample).query(colours, k=min(4, len(sample)))
    distance, index = distance.reshape(len(colours), -1), index.reshape(len(colours), -1)
    weight = 1 / (distance + 1 / 255)
    weight /= weight.sum(axis=1, keepdims=True)
    return product(weight[:, np.newaxis], change[index])[:, 0]
