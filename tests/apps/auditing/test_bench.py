import numpy as np
import pytest

from bench.auditing import inject, judge
from face_occlusion.core.classes import FACE
from tests.apps.auditing.faces import draw


def test_precision_is_taken_at_the_number_of_wrong_masks():
    wrong = np.array([True, False, True, False, True])
    precision, average = judge(np.array([0.9, 0.8, 0.7, 0.6, 0.1]), wrong)
    assert precision == pytest.approx(2 / 3)
    assert average == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)


def test_what_is_injected_covers_the_face_and_leaves_it_in_place():
    image, mask, _ = draw(1, occluded=False)
    cutout = np.full((20, 20, 4), 255, np.uint8)
    occluded, covered = inject(image, mask, cutout, np.random.default_rng(0), "objects")
    changed = np.abs(occluded.astype(int) - image).max(axis=2) > 60
    assert 0.05 <= covered <= 0.5
    assert changed[mask == FACE].mean() == pytest.approx(covered, abs=0.2)
