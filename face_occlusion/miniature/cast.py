"""Who appears in which release."""

from __future__ import annotations

import numpy as np

from face_occlusion.miniature.person import Person, draw_person

_GOLDEN = (5**0.5 - 1) / 2

# First identity of each release: nobody appears in two.
TRAIN, TEST, REALOCC, WILD, COFW = (1_000_000 * k for k in range(5))


def cast(identity: int, seed: int) -> Person:
    """Return the person of an identity; neighbouring identities spread evenly over skin tones."""
    tone = (0.07 + identity * _GOLDEN) % 1
    return draw_person(np.random.default_rng([identity, seed, 11]), tone)


def picture_rng(identity: int, picture: int, seed: int) -> np.random.Generator:
    """Return the source of all that is drawn for one picture of a person."""
    return np.random.default_rng([identity, picture, seed, 12])
