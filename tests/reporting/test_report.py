import dataclasses
import json
import re

import numpy as np
import pandas as pd
import pytest

from face_occlusion.evaluation.measures import MEASURES
from face_occlusion.reporting import report as module
from face_occlusion.reporting.breakdowns import FACTOR_TITLES
from face_occlusion.reporting.catalogue import catalogue
from face_occlusion.reporting.cells import CellKey
from face_occlusion.reporting.claims import CLAIMS
from face_occlusion.reporting.grid import Grid
from face_occlusion.reporting.inputs import gather
from face_occlusion.reporting.page import as_json, unbroken
from face_occlusion.reporting.report import all_tables, mean_confusion, write_report
from tests.reporting.conftest import paths
from tests.tables import refuses

NOT_DRAWN = {"figure_05_alignment", "figure_10_transparent", "samples_cofw", "samples_cofw_aligned"}


def test_report_writes_its_files_and_leaves_others_alone(report):
    names = ["scores", "tables", "data", "figures", "plots", "metrics.json", "index.html"]
    assert {path.name for path in report.iterdir()} == set(names)
    assert (report / "scores" / "kept.json").is_file()
    names = [f"table{number}" for number in range(1, 6)]
    names += ["claims", "anomalies", "breakdown", "overlap"]
    tables = {f"{name}.{suffix}" for name in names for suffix in ("md", "tex", "csv")}
    assert {path.name for path in (report / "tables").iterdir()} == tables


def test_every_figure_of_the_paper_is_drawn_or_says_why_not(report, inputs):
    entries = catalogue(inputs)
    assert {entry.number for entry in entries} - {None} == {1, *range(3, 20)}
    captions = (report / "figures" / "captions.md").read_text()
    lines = {re.findall("`(.*?)`", line)[0]: line for line in re.findall("(?m)^- .*", captions)}
    assert {name for name, line in lines.items() if "Not drawn" in line} == NOT_DRAWN
    assert len(lines) == len(entries) == 26
    drawn = {f"{name}.{kind}" for name in lines.keys() - NOT_DRAWN for kind in ("png", "pdf")}
    assert {path.name for path in (report / "figures").iterdir()} == drawn | {"captions.md"}


def test_a_grid_of_other_rows_has_a_report_too(project):
    """Neither of the two rows is one that `report.qualitative` compares."""
    root, made = project
    rows = {name: made.combinations[name] for name in ("c_cm", "c_wo_randocc")}
    runs = {name: run for name, run in made.runs.items() if run["combination"] in rows}
    inputs = gather(dataclasses.replace(made, combinations=rows, runs=runs), *paths(root))
    entry = {entry.name: entry for entry in catalogue(inputs)}["figure_11_predictions_pspnet"]
    assert entry.draw() == "combinations lack 'c_wo_natocc', which report.qualitative names"
    assert "where c_wo_natocc gains most" in entry.caption
    assert len(all_tables(inputs)["table4"].wide) == 2


def test_metrics_and_plots_are_in_per_cent(report, inputs):
    metrics = json.loads((report / "metrics.json").read_text())
    assert set(metrics) == {"realocc", "claims"}
    assert list(metrics["realocc"]) == list(inputs.sections.combinations)
    assert 50 < metrics["realocc"]["c_wo"] < metrics["realocc"]["c_wo_natocc"] < 100
    assert sum(metrics["claims"].values()) == len(inputs.judgements)
    assert len(pd.read_csv(report / "plots" / "grid.csv")) == 9 * 3 * 3
    confusion = pd.read_csv(report / "plots" / "confusion.csv")
    assert len(confusion) == 9 * 2 * 2
    np.testing.assert_allclose(confusion.groupby("actual")["value"].sum(), 100, atol=0.011)
    shares = confusion.set_index(["actual", "predicted"])["value"]
    worst, best = "C-Original: background", "C-CM + C-WO-NatOcc: background"
    assert shares[worst, "face"] > shares[best, "face"]
    assert mean_confusion(Grid(inputs.grid.axes, {}, inputs.grid.params), "realocc").empty


def test_every_score_and_every_difference_is_written_with_its_interval(report, inputs):
    names = ("scores", "differences", "breakdowns", "confusion", "seeds")
    tables = {name: pd.read_csv(report / "data" / f"{name}.csv") for name in names}
    assert {"value", "low", "high", "num_images", "num_seeds"} <= set(tables["scores"].columns)
    known = tables["scores"].dropna(subset=["value"])
    assert set(known["measure"]) == set(MEASURES) and set(known["view"]) == {"last", "best"}
    assert (known["low"] <= known["value"]).all() and (known["value"] <= known["high"]).all()
    place = "combination == 'c_wo' and benchmark == 'realocc' and model == 'pspnet'"
    one = known.query(f"{place} and view == 'last'").set_index("measure")["value"] / 100
    expected = inputs.grid.cells[CellKey("c_wo", "realocc", "pspnet")].scores["last"]
    assert one.to_dict() == pytest.approx({name: expected[name] for name in one.index}, abs=1e-6)
    gaps = tables["differences"]
    assert len(gaps) == 9 * 8 / 2 * 3 * 3 * len(MEASURES) and set(gaps["measure"]) == set(MEASURES)
    small = gaps.query("p_value < 1e-3")["p_value"]
    assert (small != small.round(4)).any()  # digits, not decimals: none is rounded to 0
    assert (gaps["p_value"].dropna() <= 1).all()
    row = gaps.query("benchmark == 'realocc' and model == 'pspnet' and measure == 'miou'").iloc[0]
    gap = inputs.grid.difference(row["first"], row["second"], "realocc", "pspnet")
    expected = 100 * gap.value, 100 * gap.low
    assert (row["value"], row["low"]) == pytest.approx(expected, abs=1e-4)
    assert set(tables["breakdowns"]["factor"]) == set(FACTOR_TITLES)
    assert len(tables["seeds"]) == 27 * 3


def test_nothing_half_written_remains(inputs, tmp_path, monkeypatch):
    (tmp_path / "index.html").write_text("old")

    def fail(*_):
        raise ValueError("no space")

    monkeypatch.setattr(module, "write_plots", fail)  # when the tables are written
    refuses("no space", write_report, inputs, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]
    assert (tmp_path / "index.html").read_text() == "old"


def test_the_page_needs_nothing_else(report):
    text = (report / "index.html").read_text()
    loads = re.findall(r'\s(?:src|srcset|data)="([^"]*)', text)
    loads += re.findall(r'<(?!a\s)[^>]*\shref="([^"]*)', text)
    assert loads and all(link.startswith("data:") for link in loads)
    ids = re.findall(r'\sid="([^"]*)"', text)
    assert len(set(ids)) == len(ids)
    assert set(re.findall(r'<a\s[^>]*href="#([^"]*)"', text)) <= set(ids)
    for pattern in (r"https?://", r"@import", r"url\((?!data:)", r"\bfetch\(", "XMLHttpRequest"):
        assert not re.search(pattern, text), pattern


def test_the_page_shows_every_cell_with_both_values(report):
    text = (report / "index.html").read_text()
    cells = re.findall(r'<td [^>]*data-ours="([^"]*)" data-paper="([^"]*)"', text)
    assert len(cells) == 135
    assert sum(ours == "" for ours, _ in cells) == 54
    assert all(paper for _, paper in cells)
    assert text.count('class="verdict ') == 2 * len(CLAIMS)
    assert '<section id="overlap">' in text and "The closest pairs, whether suspected" in text
    for key in ("A1", "A15"):
        assert f'<tr id="anomaly.{key}"><td>' in text


def test_page_data_cannot_close_its_script():
    assert "</script>" not in as_json({"name": "</script><b>"})
    assert json.loads(as_json({"name": "</script>"})) == {"name": "</script>"}
    refuses("JSON", as_json, float("nan"))
    assert unbroken("C-WO + <b>") == '<span class="nb">C-WO</span> + &lt;b&gt;'
