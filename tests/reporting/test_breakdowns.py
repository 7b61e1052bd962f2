import dataclasses

import numpy as np
import pytest

from face_occlusion.evaluation import metrics
from face_occlusion.evaluation.scores import ImageFacts
from face_occlusion.reporting import breakdowns, groups
from face_occlusion.reporting.cells import CellKey
from tests.tables import refuses, rows

PARAMS = breakdowns.BreakdownParams(occluder_kinds="kinds.csv", covered_edges=[0.01, 0.1, 0.25])
PLACE = CellKey("c_wo", "realocc", "pspnet")
MIOU = "benchmark == 'realocc' and combination == 'c_wo' and measure == 'miou' and model =="


def test_an_image_has_one_level_of_each_factor():
    tones = rows(__file__, "tones")
    assert {edge: breakdowns.tone_of(edge).split(" (")[0] for edge in tones} == tones
    measured = {"key": "a", "size": (4, 5), "face_px": 90, "occluded_px": 10, "ita_deg": 12.0}
    for factor, level, changes in rows(__file__, "levels"):
        image = ImageFacts(**({"occluder_kind": "face_mask"} | measured | changes))
        assert breakdowns.level_of(image, factor, PARAMS) == level


def test_groups_of_a_factor_partition_the_images_and_score_what_they_hold(inputs):
    grid = inputs.grid
    table = inputs.breakdown
    images = grid.images("realocc")
    view = grid.first_part(PLACE).views["last"]
    one = table.query(f"{MIOU} 'pspnet'")
    for factor, groups_of_it in one.groupby("factor"):
        assert groups_of_it["num_images"].sum() == len(images), factor
        for row in groups_of_it.itertuples():
            chosen = [breakdowns.level_of(image, factor, PARAMS) == row.level for image in images]
            expected = 100 * metrics.mean_iou(view.counts[chosen].sum(axis=0))
            assert row.value == pytest.approx(expected)
            if row.num_images > 2:
                assert row.low <= row.value <= row.high
    kinds = one.query("factor == 'occluder_kind'")
    assert kinds["level"].tolist() == ["mask", "microphone", "sunglasses"]
    confusion = breakdowns.confusion_table(grid)
    mine = confusion[(confusion[list(PLACE._fields)] == list(PLACE)).all(axis=1)]
    assert mine["pixels"].sum() == view.counts.sum()
    np.testing.assert_allclose(mine.groupby("actual")["share"].sum(), 1)
    assert set(table["benchmark"]) == {"realocc", "realocc_wild", "wo_test"}  # cofw is absent
    keys = ["benchmark", "factor", "level", "combination", "measure"]
    wide = table.pivot_table(index=keys, columns="model", values="value", observed=True)
    expected = wide[["pspnet", "deeplabv3plus", "segformer"]].mean(axis=1)
    np.testing.assert_allclose(wide["mean"], expected)


@pytest.fixture
def with_seeds(runs, regrid):
    """The grid with a second and a third seed of one cell."""
    more = {}
    for seed, other in ((2, "segformer_c_wo"), (3, "pspnet_c_cm")):
        changes = {"run": f"pspnet_c_wo__seed{seed}", "seed": seed}
        changes["benchmarks"] = runs[other].benchmarks
        more[changes["run"]] = dataclasses.replace(runs["pspnet_c_wo"], **changes)
    return regrid(runs | more)


def test_seeds_of_a_cell_share_it(inputs, with_seeds):
    cell, single = with_seeds.cells[PLACE], inputs.grid.cells[PLACE]
    table = breakdowns.seed_table(with_seeds)
    mine = table[(table[list(PLACE._fields)] == list(PLACE)).all(axis=1)]
    assert mine["run"].tolist() == [f"pspnet_c_wo{end}" for end in ("", "__seed2", "__seed3")]
    assert cell.estimate.value == pytest.approx(mine["miou"].mean() / 100)
    assert cell.scores["last"]["miou"] == pytest.approx(cell.estimate.value)
    assert cell.estimate.num_seeds == 3
    # These seeds differ more than the images say: the interval must know.
    assert cell.estimate.error > mine["miou"].std() / 100 / np.sqrt(3) * 0.9
    assert cell.estimate.high - cell.estimate.low > single.estimate.high - single.estimate.low
    gap = with_seeds.difference("c_wo", "c_cm", "realocc", "pspnet")
    assert gap.num_seeds == 1  # the other cell has one
    assert gap.error > inputs.grid.difference("c_wo", "c_cm", "realocc", "pspnet").error


def write(path, *lines):
    path.write_text("\n".join(["benchmark,key,occluder_kind", *lines]) + "\n")
    return path


def test_kinds_written_by_hand_take_the_place_of_those_from_names(tmp_path, runs, regrid):
    path = write(tmp_path / "kinds.csv", "realocc,00003,camera")
    named = breakdowns.name_kinds(runs, path)
    images = named["pspnet_c_wo"].benchmarks["realocc"].images
    kinds = {image.key: image.occluder_kind for image in images}
    assert kinds["00003"] == "camera"
    assert kinds["00004"] == "sunglasses"
    table = breakdowns.breakdown_table(regrid(named), PARAMS)
    row = table.query("level == 'camera' and model == 'pspnet' and measure == 'miou'")
    assert (row["num_images"] == 1).all() and row["low"].isna().all()


def test_a_wrong_or_missing_list_of_kinds_is_named_with_its_line(tmp_path, runs):
    path = tmp_path / "kinds.csv"
    refuses(r"report\.breakdown\.occluder_kinds names it", breakdowns.name_kinds, runs, path)
    path.write_text("image,kind\n")
    refuses("columns must be", breakdowns.name_kinds, runs, path)
    for lines, said in rows(__file__, "kinds"):
        write(path, *(f"realocc,{row}" for row in lines.split()))
        refuses(said, breakdowns.name_kinds, runs, path)


@pytest.fixture(scope="module")
def tables(inputs):
    found, _ = groups.group_tables(inputs.breakdown, inputs.grid.axes)
    return {table["key"]: table for table in found}


def test_a_cell_holds_the_mean_of_the_models_and_tells_each(tables, inputs):
    frame = inputs.breakdown
    masked = "factor == 'occluder_kind' and level == 'mask'"
    (mean,) = frame.query(f"{MIOU} 'mean' and {masked}").itertuples()
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
    chart = groups.breakdown_chart(one[one["factor"] == "occluder_kind"], "realocc", axes, {})
    assert chart == "no factor tells the images of this benchmark apart"


def test_groups_are_tabled_with_counts_and_intervals(inputs):
    table = groups.group_table(inputs.grid, inputs.breakdown)
    first = table.wide.iloc[0]
    assert (first["Benchmark"], first["By"], first["Group"]) == ("RealOcc", "Occluder", "mask")
    assert first["Images"] == "5"
    benchmarks = table.wide["Benchmark"].drop_duplicates().tolist()
    assert benchmarks == ["RealOcc", "RealOcc-Wild", "CelebAMask-HQ-WO (Test)"]
    assert "[" in first["C-WO"]
    assert any("not of people" in note for note in table.notes)
    assert groups.group_text(80.06, 70.0, 90.0) == "80.1 [70.0, 90.0]"
    assert groups.group_text(80.0, np.nan, np.nan) == "80.0"
    assert groups.group_text(*(np.nan,) * 3) == "–"
    assert {"num_images", "value", "low", "high"} <= set(table.long.columns)
