"""Distances between all images of two sets, and the pairs that are too close."""

from __future__ import annotations

import numpy as np

from face_occlusion.overlap.findings import Pair
from face_occlusion.overlap.hashes import HASH_BITS

_BLOCK = 1 << 21  # distances computed at once: 64 MB


def all_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Measure how far each image of one set is from each of another.

    Views are compared with the same view, in every variant; the closest counts.

    Args:
        first: (N, V, A, WORDS) uint64 hashes, as `hash_image` gives them.
        second: (M, V, B, WORDS) uint64.

    Returns:
        (N, M) uint16 differing bits, 0 for equal images.
    """
    closest = np.full((len(first), len(second)), HASH_BITS, np.uint16)
    rows = max(1, _BLOCK // max(1, len(second)))
    for start in range(0, len(first), rows):
        block = closest[start : start + rows]
        for view in range(first.shape[1]):
            for mine in np.moveaxis(first[start : start + rows, view], 1, 0):
                for other in np.moveaxis(second[:, view], 1, 0):
                    np.minimum(block, _hamming(mine, other), out=block)
    return closest


def _hamming(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Count differing bits of (N, WORDS) against (M, WORDS): (N, M) uint16."""
    bits = np.zeros((len(first), len(second)), np.uint16)
    for word in range(first.shape[1]):
        bits += np.bitwise_count(first[:, word, np.newaxis] ^ second[np.newaxis, :, word])
    return bits


def close_pairs(
    distances: np.ndarray, first: list[str], second: list[str], max_bits: int
) -> list[Pair]:
    """List the pairs within a distance, closest first, then by name.

    Args:
        distances: (N, M) differing bits.
        first: The N keys of the rows.
        second: The M keys of the columns.
        max_bits: Pairs farther apart are left out.
    """
    pairs = [
        Pair(first=first[row], second=second[column], bits=int(distances[row, column]))
        for row, column in np.argwhere(distances <= max_bits).tolist()
    ]
    return sorted(pairs, key=lambda pair: (pair.bits, pair.first, pair.second))


def closest_pairs(
    distances: np.ndarray, first: list[str], second: list[str], number: int
) -> list[Pair]:
    """List the closest pair of each image of the second set, the closest `number` of these."""
    if not distances.size:
        return []
    rows = distances.argmin(axis=0)
    pairs = [
        Pair(first=first[row], second=second[column], bits=int(distances[row, column]))
        for column, row in enumerate(rows.tolist())
    ]
    return sorted(pairs, key=lambda pair: (pair.bits, pair.first, pair.second))[:number]
