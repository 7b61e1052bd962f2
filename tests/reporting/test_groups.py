import numpy as np
import pytest

from face_occlusion.reporting import breakdowns, groups


@pytest.fixture(scope="module")
def tables(inputs):
    found, _ = groups.group_tables(inputs.breakdown, inputs.grid.axes)
    return {table["key"]: table for table in found}


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
    assert groups.group_text(80.06, 70.0, 90.0) == "80.1 [70.0, 90.0]"
    assert groups.group_text(80.0, np.nan, np.nan) == "80.0"
    assert groups.group_text(*(np.nan,) * 3) == "–"
    assert {"num_images", "value", "low", "high"} <= set(table.long.columns)
