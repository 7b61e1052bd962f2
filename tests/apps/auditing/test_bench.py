import numpy as np
import pytest

from bench.auditing import judge


def test_precision_is_taken_at_the_number_of_wrong_masks():
    wrong = np.array([True, False, True, False, True])
    precision, average = judge(np.array([0.9, 0.8, 0.7, 0.6, 0.1]), wrong)
    assert precision == pytest.approx(2 / 3)
    assert average == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)
