import pytest
import torch
from torch import Tensor

from face_occlusion.evaluation import replay
from face_occlusion.evaluation.replay import FIRST_CALLS, Replay

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"),
]


class Doubled:
    """Counts how often the host is asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, values: Tensor) -> Tensor:
        self.calls += 1
        return (values * 4) / 2


def of(value: int, size: int = 3) -> Tensor:
    return torch.full((size,), float(value), device="cuda")


def test_a_shape_that_comes_often_is_recorded_and_computed_right():
    function = Doubled()
    replayed = Replay(function)
    for value in range(10):
        assert replayed(of(value)).tolist() == [2 * value] * 3
    assert function.calls == FIRST_CALLS + 1


def test_results_outlive_the_calls_that_follow():
    replayed = Replay(Doubled())
    numbers = range(4 * FIRST_CALLS)
    results = [replayed(of(number, 3 + number % 2)) for number in numbers]
    for number, result in zip(numbers, results, strict=True):
        assert result.tolist() == [2 * number] * (3 + number % 2)


def test_rare_shapes_are_not_recorded():
    function = Doubled()
    replayed = Replay(function)
    for size in range(1, 20):
        assert replayed(of(1, size)).tolist() == [2] * size
    assert function.calls == 19


def test_the_number_of_recordings_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(replay, "MOST_SHAPES", 1)
    function = Doubled()
    replayed = Replay(function)
    for _ in range(10):
        for size in (1, 2):
            assert replayed(of(1, size)).tolist() == [2] * size
    assert function.calls == FIRST_CALLS + 1 + 10
