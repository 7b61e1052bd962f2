"""The bench's measures of looks: ours within bounds, and the published way beyond them."""

import pytest

from bench import generation_quality
from bench.generation_quality import BRIGHT, GREY, SKIN, edge_offsets_px, halo_levels


@pytest.fixture(autouse=True)
def few_discs(monkeypatch):
    monkeypatch.setattr(generation_quality, "NUM_DISCS", 6)


def test_labels_end_within_a_quarter_of_a_pixel_of_the_visible_edge():
    ours, theirs = edge_offsets_px()
    assert abs(ours) < 0.25
    assert theirs > 1


def test_no_fringe_is_darker_or_brighter_than_both_colours():
    for colours in ((GREY, GREY), (SKIN, BRIGHT)):
        ours, theirs = halo_levels(*colours)
        assert ours <= 1  # rounding
        assert theirs > 20
