"""The page's first sentences: what came out, with its interval."""

import re

import numpy as np
import pytest

from face_occlusion.reporting.grid import mean_difference


def test_a_mean_difference_is_the_mean_of_the_models_differences_and_paired(inputs):
    grid = inputs.grid
    interval = mean_difference(grid, "c_wo_natocc", "c_wo", "realocc")
    assert interval is not None
    every = [grid.difference("c_wo_natocc", "c_wo", "realocc", model) for model in grid.axes.models]
    parts = [part for part in every if part is not None]
    assert interval.value == pytest.approx(np.mean([part.value for part in parts]))
    assert interval.low < interval.value < interval.high
    # No wider than the models' own on average: they see the same images.
    assert interval.error <= np.mean([part.error for part in parts]) + 1e-12
    alike = mean_difference(grid, "c_wo", "c_wo", "realocc")
    assert alike is not None
    assert (alike.value, alike.low, alike.high) == (0, 0, 0)
    assert mean_difference(grid, "c_wo_natocc", "c_wo", "cofw") is None


def test_the_headline_states_its_margin_and_what_it_was_measured_on(report, inputs):
    text = (report / "index.html").read_text()
    interval = mean_difference(inputs.grid, "c_wo_natocc", "c_wo", "realocc")
    assert interval is not None
    low, high = (f"{100 * bound:+.1f}" for bound in (interval.low, interval.high))
    lead = re.findall('class="lead">(.*?)</p>', text)[0]
    assert (
        f"The difference is {100 * interval.value:+.1f}, its 95 % interval [{low}, {high}]" in lead
    )
    assert "paired over 14 images" in lead
