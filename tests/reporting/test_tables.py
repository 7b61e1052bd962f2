import dataclasses
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from face_occlusion.evaluation.bootstrap import Estimate
from face_occlusion.reporting import tables
from face_occlusion.reporting.cells import Cell, CellKey, PaperCell, best_of_columns
from face_occlusion.reporting.inputs import gather
from face_occlusion.reporting.tables import Table, write_table
from tests.reporting.conftest import paths
from tests.tables import rows

GOLDEN = Path(__file__).parent / "golden"


def make_cell(combination, value, *, model="pspnet", paper=None, empty=None, width=0.01):
    interval = None
    if value is not None:
        low, high = value - 1.1 * width, value + 1.2 * width
        interval = Estimate(value=value, low=low, high=high, error=0.005, num_images=9)
    printed = None if paper is None else PaperCell(table=4, miou=paper, quantity="24602")
    place = CellKey(combination, "realocc", model)
    return Cell(key=place, paper=printed, estimate=interval, empty=empty)


def test_best_of_a_column_includes_ties_as_printed():
    cells = [
        make_cell("a", 0.90001, paper=80.0),
        make_cell("b", 0.89999, paper=81.0),  # prints 90.00 as well
        make_cell("c", 0.8999, paper=81.0),
        make_cell("d", None, empty="gone"),
        make_cell("c", 0.5, model="segformer"),  # a column of its own
    ]
    best = {(place.combination, place.model) for place in best_of_columns(cells)}
    assert best == {("a", "pspnet"), ("b", "pspnet"), ("c", "segformer")}
    assert {place.combination for place in best_of_columns(cells, paper=True)} == {"b", "c"}


@pytest.mark.parametrize(("given", "best", "paper_best", "text"), rows(__file__, "cells"))
def test_cell_text(given, best, paper_best, text):
    assert tables.cell_text(make_cell("a", **given), best=best, paper_best=paper_best) == text


@pytest.mark.parametrize("suffix", ["md", "tex", "csv"])
def test_files_equal_the_golden_ones(tmp_path, suffix):
    made = rows(__file__, "golden")
    frames = {name: pd.DataFrame(made.pop(name)) for name in ("wide", "long")}
    write_table(tmp_path, Table(name="golden", **made, **frames))
    expected = (GOLDEN / f"golden.{suffix}").read_text()
    assert (tmp_path / f"golden.{suffix}").read_text() == expected


def test_latex_gets_only_signs_that_it_sets_without_a_package():
    signs = rows(__file__, "latex")
    frame = pd.DataFrame({"a": list(signs)})
    text = tables.latex(Table(name="x", caption="x", wide=frame, long=frame, notes=[]))
    assert [latex for latex in signs.values() if f"\n{latex} \\\\\n" not in text] == []


def test_latex_of_every_table_is_ascii_and_breaks_long_lines(made_tables):
    for table in made_tables.values():
        text = tables.latex(table)
        assert text.isascii(), table.name
        longest = max(len(str(cell)) for cell in table.wide.to_numpy().ravel())
        assert (r"p{6cm}" in text) == (longest > 60), table.name


def test_rows_beyond_the_paper_have_a_table_of_their_own(project):
    root, made = project
    row = {"data": ["faces/wo"], "online": ["natocc_hand_sot", "randocc_1"], "share": 0.75}
    rows = {**made.combinations, "c_wo_mix": made.combinations["c_wo_mix"] | row}
    inputs = gather(dataclasses.replace(made, combinations=rows), *paths(root))
    assert "c_wo_mix" not in inputs.grid.axes.combinations
    assert not [run for run in inputs.sections.runs.values() if run["combination"] == "c_wo_mix"]
    table = tables.beyond_table(inputs.beyond, ["realocc"], inputs.online, inputs.inventory)
    assert table.long["combination"].tolist() == ["c_wo_mix"] * 3
    assert table.long["miou"].notna().all() and table.long["paper_miou"].notna().all()
    assert "75 % of the unoccluded faces" in table.notes[0] and "randocc_1" in table.notes[0]


def test_score_tables_print_the_grid_and_why_cells_are_empty(report, inputs, made_tables):
    table = made_tables["table4"]
    assert table.wide.shape == (9, 3 + 9)
    assert table.notes == ["COFW (Train): 27 cells without a score: the release is not there"]
    best = table.long[table.long["best"]]
    columns = set(product(("realocc", "realocc_wild"), inputs.sections.models))
    assert set(zip(best["benchmark"], best["model"], strict=True)) == columns
    rows = [pd.read_csv(report / "tables" / f"table{number}.csv") for number in (4, 5)]
    assert [len(table) for table in rows] == [81, 54]
    for row in pd.concat(rows).to_dict("records"):
        cell = inputs.grid.cells[CellKey(row["combination"], row["benchmark"], row["model"])]
        assert row["paper_miou"] == cell.printed
        if cell.estimate is None:
            assert np.isnan(row["miou"]) and row["empty_because"] == cell.empty
            continue
        estimate, names = cell.estimate, ("iou_background", "iou_face", "miou_per_image")
        expected = {"miou": estimate.value, "low": estimate.low, "high": estimate.high}
        expected |= {"miou_best_checkpoint": cell.scores["best"]["miou"]}
        expected |= {name: cell.scores["last"][name] for name in (*names, "boundary_iou", "fwiou")}
        per_cent = {name: 100 * value for name, value in expected.items()}
        assert {name: row[name] for name in expected} == pytest.approx(per_cent, abs=0.0051)
        assert row["difference"] == pytest.approx(row["miou"] - row["paper_miou"])


def test_quantities_and_the_partition_are_counted_in_the_sets(inputs):
    table = tables.table_3(inputs.inventory, inputs.sections.combinations).long
    by_key = table.set_index("key")[["photographs", "generated"]].to_numpy().tolist()
    rows = dict(zip(table["key"], by_key, strict=True))
    assert rows["c_cm"] == [14, 0] and rows["c_wo_mix"] == [9, 27]
    table = tables.table_2(inputs.inventory, 2)
    assert table.long["ours"].tolist() == [9, 3, 5, 2, 19]
    assert table.long["paper"].tolist()[-1] == 30002
    assert "not counted" in " ".join(tables.table_2(inputs.inventory, None).notes)
