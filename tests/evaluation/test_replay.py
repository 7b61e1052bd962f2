from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from face_occlusion.evaluation import inference
from face_occlusion.evaluation.inference import FIRST_CALLS, Replay

pytestmark = pytest.mark.gpu


class Doubled:
    """Counts how often the host is asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, values: Tensor) -> Tensor:
        self.calls += 1
        return (values * 4) / 2


def of(value: int, size: int = 3) -> Tensor:
    return torch.full((size,), float(value), device="cuda")


@pytest.mark.parametrize(
    ("sizes", "calls"),
    [
        ([3] * 10, FIRST_CALLS + 1),  # recorded, then replayed
        (range(1, 20), 19),  # rare shapes are not recorded
        ([1, 2] * 10, FIRST_CALLS + 1 + 10),  # as many as are allowed: the first
    ],
)
def test_shapes_that_come_often_are_recorded_and_computed_right(
    monkeypatch: pytest.MonkeyPatch, sizes: Sequence[int], calls: int
):
    monkeypatch.setattr(inference, "MOST_SHAPES", 1)
    function = Doubled()
    replayed = Replay(function)
    for value, size in enumerate(sizes):
        assert replayed(of(value, size)).tolist() == [2 * value] * size
    assert function.calls == calls
