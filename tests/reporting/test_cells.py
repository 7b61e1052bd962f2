import csv
from itertools import product

import pytest

from face_occlusion.core.params import read_yaml
from face_occlusion.reporting.cells import PARTITION, CellKey, paper_cells, paper_quantity
from face_occlusion.reporting.verdicts import BENCHMARKS, COMBINATIONS, MODELS
from tests.reporting.project import ROOT


def test_cells_equal_the_transcript_of_the_paper(shared):
    profile = read_yaml(ROOT / "profiles" / "paper.yaml")
    combinations = {value["title"]: key for key, value in profile["combinations"].items()}
    models = {value["title"]: key for key, value in profile["models"].items()}
    benchmarks = {title: key for key, title in profile["report"]["benchmarks"].items()}
    benchmarks["COFW (Train) (cropped and aligned)"] = "cofw_aligned"
    with (shared / "paper" / "paper_tables.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 135
    for row in rows:
        combination, benchmark = combinations[row["train_set"]], benchmarks[row["eval_set"]]
        place = CellKey(combination, benchmark, models[row["model"]])
        cell = paper_cells()[place]
        assert cell.miou == float(row["miou"])
        assert paper_quantity(place.combination, cell.table) == row["quantity"]


def test_the_paper_has_81_and_54_cells_and_other_quantities_in_each_table_for_mix():
    cells = paper_cells()
    assert sum(cell.table == 4 for cell in cells.values()) == 81
    assert sum(cell.table == 5 for cell in cells.values()) == 54
    assert set(cells) == set(map(CellKey._make, product(COMBINATIONS, BENCHMARKS, MODELS)))
    assert paper_quantity("c_wo_mix", 4) == "24,602 + 73,806"
    assert paper_quantity("c_wo_mix", 5) == "24,602 + 49,204"
    assert paper_quantity("nothing", 4) is None
    assert sum(PARTITION.values()) == 30002


@pytest.mark.parametrize("name", ["report", "evaluate"])
def test_the_profile_names_the_papers_benchmarks(name):
    section = read_yaml(ROOT / "profiles" / "paper.yaml")[name]
    assert set(section["benchmarks"]) == set(BENCHMARKS)
