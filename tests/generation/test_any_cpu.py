"""A sample's bytes, and its record, are the same on every CPU: `python -m` this prints hashes."""

import dataclasses
import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from face_occlusion.core.images import encode_jpeg, encode_png
from face_occlusion.core.imageset import encode_record
from face_occlusion.generation import occlude
from face_occlusion.generation.params import (
    SOT,
    STATISTICS,
    GenerateParams,
    default_params,
    paper_params,
)
from tests.any_cpu import outputs
from tests.generation.drawn import DISC, HAND, TEXTURE, WRIST, draw_face

FACE = draw_face(shape=(300, 260))
SMALL_FACE = draw_face(shape=(400, 420), radii_frac=(0.06, 0.06))  # no hand reaches it
NUM_SAMPLES = 6


def cases() -> Iterator[tuple[str, tuple, Any, GenerateParams]]:
    """Return name, face, occluder and parameters of every way to make a sample."""
    yield "shape", FACE, TEXTURE, default_params("textures")
    yield "forearm", SMALL_FACE, WRIST, default_params("hands")
    for mode in ("masked", "partial", "faithful", "published"):
        transfer = dataclasses.replace(SOT, mode=mode, downscale=2)
        yield mode, FACE, HAND, paper_params("hands", colour_transfer=transfer)
    for method in ("none", "reinhard", "mkl"):
        fitted = dataclasses.replace(STATISTICS, method=method, strength=1.0)
        yield method, FACE, DISC, paper_params("objects", harmonisation=fitted)


def main():
    """Print a hash of the samples of each case."""
    for name, (image, mask), occluder, params in cases():
        digest = hashlib.sha256()
        for seed in range(NUM_SAMPLES):
            rng = np.random.default_rng(seed)
            painted, label, record = occlude(image, mask, [occluder], rng, params)
            for part in (encode_jpeg(painted, 95), encode_png(label), encode_record(record)):
                digest.update(part)
        print(name, digest.hexdigest())


@pytest.mark.slow
def test_samples_are_the_same_under_every_instruction_set_and_number_of_threads():
    printed = outputs("tests.generation.test_any_cpu")
    expected = printed.pop("this machine")
    assert len(expected.splitlines()) == 9
    assert printed
    for setting, lines in printed.items():
        assert lines == expected, setting


if __name__ == "__main__":
    main()
