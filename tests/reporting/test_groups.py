import numpy as np
import pytest

from face_occlusion.reporting import breakdowns, groups
from tests.reporting.project import KINDS


@pytest.fixture(scope="module")
def tables(inputs):
    found, _ = groups.group_tables(inputs.breakdown, inputs.grid.axes)
    return {table["key"]: table for table in found}


def test_a_table_has_every_training_set_and_group(tables, inputs):
    table = tables["realocc-occluder_kind"]
    assert [level for level, _ in table["levels"]] == sorted(KINDS)
    assert sum(number for _, number in table["levels"]) == len(inputs.benchmarks["realocc"])
    assert [key for key, _, _ in table["rows"]] == list(inputs.grid.axes.combinations)
    assert all(len(cells) == len(table["levels"]) for _, _, cells in table["rows"])


def test_a_cell_holds_the_mean_of_the_models_and_tells_each(tables, inputs):
    frame = inputs.breakdown
    (mean,) = frame.query(
        "benchmark == 'realocc' and factor == 'occluder_kind' and level == 'mask' "
        "and combination == 'c_wo' and model == 'mean' and measure == 'miou'"
    ).itertuples()
    levels = [level for level, _ in tables["realocc-occluder_kind"]["levels"]]
    cells = {key: row for key, _, row in tables["realocc-occluder_kind"]["rows"]}
    cell = cells["c_wo"][levels.index("mask")]
    assert cell["values"]["miou"] == (mean.value, mean.low, mean.high)
    for title in (*inputs.grid.axes.models.values(), "Mean of the models"):
        assert f"{title}: mIoU " in cell["tip"]
    assert set(cell["values"]) == set(breakdowns.MEASURED)


def test_what_tells_no_images_apart_is_left_out_and_named(tables, inputs):
    frame = inputs.breakdown
    one = frame[(frame["factor"] != "occluder_kind") | (frame["level"] == "mask")]
    axes = inputs.grid.axes
    shown, left_out = groups.group_tables(one, axes)
    keys = [table["key"] for table in shown]
    assert "realocc-occluder_kind" in tables and "realocc-occluder_kind" not in keys
    assert "RealOcc, Occluder (all: mask)" in left_out
    assert groups.breakdown_chart(one[one["factor"] == "occluder_kind"], "realocc", axes, {}) == (
        "no factor tells the images of this benchmark apart"
    )


def test_the_chart_has_one_mark_for_each_training_set_and_group(inputs):
    axes = inputs.grid.axes
    figure = groups.breakdown_chart(inputs.breakdown, "realocc", axes, axes.combinations)
    kinds = figure.axes[0]
    assert [text.get_text().split("\n")[0] for text in kinds.get_xticklabels()] == sorted(KINDS)
    assert len(kinds.containers) == len(axes.combinations)
    x = np.concatenate([bars.lines[0].get_xdata() for bars in kinds.containers])
    assert len(set(x)) == len(KINDS) * len(axes.combinations)  # none hides another


def test_groups_are_tabled_with_counts_and_intervals(inputs):
    table = groups.group_table(inputs.grid, inputs.breakdown)
    first = table.wide.iloc[0]
    assert (first["Benchmark"], first["By"], first["Group"]) == ("RealOcc", "Occluder", "mask")
    assert first["Images"] == "5"
    assert table.wide["Benchmark"].drop_duplicates().tolist() == [
        "RealOcc", "RealOcc-Wild", "CelebAMask-HQ-WO (Test)",
    ]  # fmt: skip
    assert "[" in first["C-WO"]
    assert any("not of people" in note for note in table.notes)
    assert {"num_images", "value", "low", "high"} <= set(table.long.columns)


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((80.06, 70.0, 90.0), "80.1 [70.0, 90.0]"),
        ((80.0, np.nan, np.nan), "80.0"),
        ((np.nan,) * 3, "–"),
    ],
)
def test_text_of_a_group(numbers, text):
    assert groups.group_text(*numbers) == text
