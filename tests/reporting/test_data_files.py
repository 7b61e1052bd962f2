import numpy as np
import pandas as pd
import pytest

from face_occlusion.evaluation.measures import MEASURES
from face_occlusion.reporting.breakdowns import FACTOR_TITLES, MEASURED
from face_occlusion.reporting.cells import Axes, CellKey
from face_occlusion.reporting.charts import Curve, curve_table
from face_occlusion.reporting.grid import Grid
from face_occlusion.reporting.report import mean_confusion


def test_every_score_and_every_difference_is_written_with_its_interval(report):
    scores = pd.read_csv(report / "data" / "scores.csv")
    assert set(scores["measure"]) == set(MEASURES)
    assert {"value", "low", "high", "num_images", "num_seeds"} <= set(scores.columns)
    differences = pd.read_csv(report / "data" / "differences.csv")
    pairs = set(zip(differences["first"], differences["second"], strict=True))
    assert len(pairs) == 9 * 8 / 2
    assert set(differences["measure"]) == set(MEASURES)
    small = differences["p_value"][differences["p_value"] < 1e-3]
    assert (small != small.round(4)).any()  # digits, not decimals: none is rounded to 0
    assert (differences["p_value"].dropna() > 0).all()
    groups = pd.read_csv(report / "data" / "breakdowns.csv")
    assert set(groups["factor"]) == set(FACTOR_TITLES) and set(groups["measure"]) == set(MEASURED)
    assert len(pd.read_csv(report / "data" / "seeds.csv")) == 27 * 3


@pytest.mark.parametrize("number", [4, 5])
def test_a_table_prints_what_the_grid_holds(report, inputs, number):
    table = pd.read_csv(report / "tables" / f"table{number}.csv")
    for row in table.to_dict("records"):
        cell = inputs.grid.cells[CellKey(row["combination"], row["benchmark"], row["model"])]
        assert row["paper_miou"] == cell.printed
        if cell.estimate is None:
            assert np.isnan(row["miou"]) and row["empty_because"] == cell.empty
            continue
        scores = cell.scores["last"]
        expected = {"miou": cell.estimate.value, "low": cell.estimate.low}
        expected |= {
            "high": cell.estimate.high,
            "miou_best_checkpoint": cell.scores["best"]["miou"],
        }
        names = ("iou_background", "iou_face", "miou_per_image", "boundary_iou", "fwiou")
        expected |= {name: scores[name] for name in names}
        assert {name: row[name] for name in expected} == pytest.approx(
            {name: 100 * value for name, value in expected.items()}, abs=0.0051
        )
        assert row["low"] < row["high"]
        assert row["difference"] == pytest.approx(row["miou"] - row["paper_miou"])


def test_plots_hold_every_scored_cell_and_shares_of_each_class(report, inputs):
    grid = pd.read_csv(report / "plots" / "grid.csv")
    assert len(grid) == 9 * 3 * 3
    assert grid["trained on"].nunique() == 9 and grid["column"].nunique() == 9
    confusion = pd.read_csv(report / "plots" / "confusion.csv")
    assert len(confusion) == 9 * 2 * 2
    np.testing.assert_allclose(confusion.groupby("actual")["value"].sum(), 100, atol=0.011)
    worst = confusion.query("actual == 'C-Original: background' and predicted == 'face'")
    best = confusion.query("actual == 'C-CM + C-WO-NatOcc: background' and predicted == 'face'")
    assert worst["value"].item() > best["value"].item()


def test_the_curves_of_every_run_are_in_one_table(report, inputs):
    curves = pd.read_csv(report / "plots" / "curves.csv")
    assert list(curves["run"].unique()) == list(inputs.sections.runs)
    one = curves[curves["run"] == "pspnet_c_wo"]
    assert set(one["model"] + " " + one["combination"]) == {"PSPNet C-WO"}
    for metric in ("loss", "realocc_miou"):
        curve = inputs.curves[metric]["pspnet_c_wo"]
        assert one["step"].tolist() == curve.steps
        assert one[metric].tolist() == pytest.approx(curve.values, abs=1e-6)


def test_curves_are_joined_by_step_and_runs_without_a_log_have_no_rows():
    def curve(*steps):
        return Curve(run="a", steps=list(steps), values=[step / 8 for step in steps])

    entry = {"model": "m", "combination": "c"}
    axes = Axes(combinations={"c": "C"}, models={"m": "M"}, benchmarks={})
    curves = {"loss": {"a": curve(1, 2, 3)}, "realocc_miou": {"a": curve(2, 4)}}
    table = curve_table(curves, {"a": entry, "b": entry}, axes)
    assert table["step"].tolist() == [1, 2, 3, 4]
    assert table["loss"].isna().tolist() == [False, False, False, True]
    assert table["realocc_miou"].dropna().tolist() == [0.25, 0.5]
    assert curve_table({}, {"b": entry}, axes).empty


def test_an_empty_grid_has_an_empty_confusion(inputs):
    empty = Grid(inputs.grid.axes, {}, inputs.grid.params)
    assert mean_confusion(empty, "realocc").empty
