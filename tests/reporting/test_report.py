import dataclasses
import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from face_occlusion.evaluation.measures import MEASURES
from face_occlusion.reporting import page
from face_occlusion.reporting import report as module
from face_occlusion.reporting.breakdowns import FACTOR_TITLES
from face_occlusion.reporting.catalogue import catalogue
from face_occlusion.reporting.cells import CellKey
from face_occlusion.reporting.claims import CLAIMS
from face_occlusion.reporting.grid import Grid, mean_difference
from face_occlusion.reporting.page import as_json, unbroken
from face_occlusion.reporting.page_images import flat_facts
from face_occlusion.reporting.report import mean_confusion, write_report

FIGURES = {
    "figure_01_teaser", "figure_03_wrong_labels", "figure_04_hands", "figure_06_algorithm1",
    "figure_07_colour_transfer", "figure_08_harmonisation", "figure_09_randocc",
    "figure_11_predictions_pspnet", "figure_12_predictions_deeplabv3plus",
    "figure_13_predictions_segformer", "figure_14_natocc_hand", "figure_15_natocc_hand_sot",
    "figure_16_natocc_object", "figure_17_randocc_1", "figure_18_realocc", "figure_19_realocc_wild",
    "samples_randocc_2", "samples_wo_test", "breakdown_realocc", "table4_heat_map",
    "table5_heat_map", "training_curves",
}  # fmt: skip
NOT_DRAWN = {"figure_05_alignment", "figure_10_transparent", "samples_cofw", "samples_cofw_aligned"}


def test_report_writes_its_files_and_leaves_others_alone(report):
    names = ["scores", "tables", "data", "figures", "plots", "metrics.json", "index.html"]
    assert {path.name for path in report.iterdir()} == set(names)
    assert (report / "scores" / "kept.json").is_file()
    names = [f"table{number}" for number in range(1, 6)]
    names += ["claims", "anomalies", "breakdown", "overlap"]
    assert {path.name for path in (report / "tables").iterdir()} == {
        f"{name}.{suffix}" for name in names for suffix in ("md", "tex", "csv")
    }
    assert {path.name for path in (report / "figures").iterdir()} == {
        f"{name}.{suffix}" for name in FIGURES for suffix in ("png", "pdf")
    } | {"captions.md"}


def test_every_figure_of_the_paper_is_drawn_or_says_why_not(report, inputs):
    numbers = {entry.number for entry in catalogue(inputs)} - {None}
    assert numbers == {1, *range(3, 20)}
    captions = (report / "figures" / "captions.md").read_text()
    lines = [line for line in captions.splitlines() if line.startswith("- ")]
    assert {re.findall("`(.*?)`", line)[0] for line in lines if "Not drawn" in line} == NOT_DRAWN
    assert len(lines) == len(FIGURES | NOT_DRAWN)


def test_metrics_are_a_handful_in_per_cent(report, inputs):
    metrics = json.loads((report / "metrics.json").read_text())
    assert set(metrics) == {"realocc", "claims"}
    assert list(metrics["realocc"]) == list(inputs.sections.combinations)
    assert 50 < metrics["realocc"]["c_wo"] < metrics["realocc"]["c_wo_natocc"] < 100
    assert sum(metrics["claims"].values()) == len(inputs.judgements)


def test_every_score_and_every_difference_is_written_with_its_interval(report, inputs):
    names = ("scores", "differences", "breakdowns", "confusion", "seeds")
    tables = {name: pd.read_csv(report / "data" / f"{name}.csv") for name in names}
    assert {"value", "low", "high", "num_images", "num_seeds"} <= set(tables["scores"].columns)
    known = tables["scores"].dropna(subset=["value"])
    assert set(known["measure"]) == set(MEASURES) and set(known["view"]) == {"last", "best"}
    assert (known["low"] <= known["value"]).all() and (known["value"] <= known["high"]).all()
    cell = "combination == 'c_wo' and benchmark == 'realocc' and model == 'pspnet'"
    one = known.query(f"{cell} and view == 'last'").set_index("measure")["value"]
    expected = inputs.grid.cells[CellKey("c_wo", "realocc", "pspnet")].scores["last"]
    assert {name: value / 100 for name, value in one.items()} == pytest.approx(
        {name: value for name, value in expected.items() if not np.isnan(value)}, abs=1e-6
    )

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
    empty = Grid(inputs.grid.axes, {}, inputs.grid.params)
    assert mean_confusion(empty, "realocc").empty


def test_a_template_edited_meanwhile_changes_nothing(tmp_path, monkeypatch):
    before = page.templates()
    (tmp_path / "templates").mkdir()
    for name in before:
        (tmp_path / "templates" / name).write_text("edited")
    monkeypatch.setattr(page.resources, "files", lambda _: tmp_path)
    assert page.templates() == before


def test_nothing_half_written_remains(inputs, tmp_path, monkeypatch):
    (tmp_path / "index.html").write_text("old")

    def fail(*_):
        raise ValueError("no space")

    monkeypatch.setattr(module, "write_plots", fail)  # when the tables are written
    with pytest.raises(ValueError, match="no space"):
        write_report(inputs, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]
    assert (tmp_path / "index.html").read_text() == "old"


class Page(HTMLParser):
    """Collects links and what an element loads, and checks that tags close."""

    VOID = ("meta", "link", "input", "img", "br")

    def __init__(self, text):
        super().__init__()
        self.loads, self.anchors, self.ids, self.open = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.loads += [value for name, value in attrs if name in ("src", "srcset", "data")]
        if tag == "a":
            self.anchors.append(attributes["href"])
        elif "href" in attributes:
            self.loads.append(attributes["href"])
        if tag not in self.VOID and self.get_starttag_text()[-2:] != "/>":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_needs_nothing_else(report):
    text = (report / "index.html").read_text()
    parsed = Page(text)
    assert parsed.open == []
    assert parsed.loads and all(link.startswith("data:") for link in parsed.loads)
    assert all(anchor.removeprefix("#") in parsed.ids for anchor in parsed.anchors)
    assert len(set(parsed.ids)) == len(parsed.ids)
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


def test_page_data_cannot_close_its_script():
    assert "</script>" not in as_json({"name": "</script><b>"})
    assert json.loads(as_json({"name": "</script>"})) == {"name": "</script>"}
    with pytest.raises(ValueError, match="JSON"):
        as_json(float("nan"))

    # Names with hyphens stay on one line and are escaped.
    assert unbroken("C-WO + <b>") == '<span class="nb">C-WO</span> + &lt;b&gt;'


def test_facts_are_flat_and_brief_and_leave_out_what_was_not_drawn():
    record = {"scale": 0.51234, "face_changes": {"zoom": 1, "tone": None}, "polygon": [0] * 9}
    assert flat_facts(record) == [
        ("scale", "0.512"),
        ("face changes: zoom", "1"),
        ("polygon", "9 values"),
    ]
    assert flat_facts({"matrix": [[1.0, 0.25], [0.0, 1 / 3]]}) == [("matrix", "1, 0.25; 0, 0.333")]


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("figures", "dpi", 1),
        ("figures", "sheet_images", 0),
        ("figures", "colour_map", "jet"),
        ("figures", "mask_colour", "red"),
        ("qualitative", "images_per_rule", 0),
        ("page", "thumbnail_px", 1),
        ("page", "browser_images", -1),
        ("bootstrap", "num_resamples", 10),
        ("bootstrap", "confidence", 1.0),
        *(("breakdown", "covered_edges", edges) for edges in ([], [0.2, 0.1], [0, 0.1], [0.5, 1])),
    ],
)
def test_params_name_the_key(inputs, section, key, value):
    with pytest.raises(ValueError, match=f"^{key}"):
        dataclasses.replace(getattr(inputs.sections.report, section), **{key: value})


def test_report_params_refuse_unknown_benchmarks(inputs):
    report = inputs.sections.report
    with pytest.raises(ValueError, match=r"^table_4: not among benchmarks"):
        dataclasses.replace(report, table_4=["lfw"])
    other = dataclasses.replace(report.qualitative, benchmark="lfw")
    with pytest.raises(ValueError, match=r"^qualitative\.benchmark"):
        dataclasses.replace(report, qualitative=other)
