import pandas as pd
import pytest

from face_occlusion.reporting.cells import Axes
from face_occlusion.reporting.charts import curve_table, read_curves, thinned, training_curves


def curve(*steps):
    return pd.Series([step / 8 for step in steps], index=steps)


def test_curves_are_read_where_they_were_logged(tmp_path):
    folder = tmp_path / "run" / "dvclive" / "plots" / "metrics"
    folder.mkdir(parents=True)
    (folder / "loss.tsv").write_text("step\tloss\n4\t0.5\n")
    (folder / "broken.tsv").write_text("a\tb\n1\t2\n")
    (curve,) = read_curves(tmp_path, ["run", "nothing"], "loss").values()
    assert curve.to_dict() == {4: 0.5}
    with pytest.raises(ValueError, match=r"broken\.tsv: expected columns step, broken"):
        read_curves(tmp_path, ["run"], "broken")


def test_thinned_curve_averages_and_keeps_the_end():
    whole = curve(*range(1, 11))
    few = thinned(whole, 4)
    assert few.to_dict() == {3: 2 / 8, 6: 5 / 8, 9: 1.0, 10: 10 / 8}
    assert thinned(whole, 10) is whole


def test_the_curves_of_every_run_are_in_one_table(report, inputs):
    curves = pd.read_csv(report / "plots" / "curves.csv")
    assert list(curves["run"].unique()) == list(inputs.sections.runs)
    one = curves[curves["run"] == "pspnet_c_wo"]
    assert set(one["model"] + " " + one["combination"]) == {"PSPNet C-WO"}
    for metric in ("loss", "realocc_miou"):
        logged = inputs.curves[metric]["pspnet_c_wo"]
        assert one["step"].tolist() == logged.index.tolist()
        assert one[metric].tolist() == pytest.approx(logged.tolist(), abs=1e-6)


def test_curves_are_joined_by_step_and_runs_without_a_log_have_no_rows():
    entry = {"model": "m", "combination": "c"}
    axes = Axes(combinations={"c": "C"}, models={"m": "M"}, benchmarks={})
    curves = {"loss": {"a": curve(1, 2, 3)}, "realocc_miou": {"a": curve(2, 4)}}
    table = curve_table(curves, {"a": entry, "b": entry}, axes)
    assert table["step"].tolist() == [1, 2, 3, 4]
    assert table["loss"].isna().tolist() == [False, False, False, True]
    assert table["realocc_miou"].dropna().tolist() == [0.25, 0.5]
    assert curve_table({}, {"b": entry}, axes).empty
    assert training_curves(axes, {}, {}) == "no run has logged a curve"
