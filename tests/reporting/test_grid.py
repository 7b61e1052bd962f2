import csv
import dataclasses
import shutil
from itertools import product

import numpy as np
import pytest

from face_occlusion.core.params import read_yaml
from face_occlusion.evaluation import metrics
from face_occlusion.evaluation.bootstrap import estimate
from face_occlusion.reporting import page
from face_occlusion.reporting.cells import PARTITION, CellKey, axes_of, paper_cells, paper_quantity
from face_occlusion.reporting.charts import heat_map
from face_occlusion.reporting.grid import mean_difference, mean_over_models
from face_occlusion.reporting.inputs import gather
from face_occlusion.reporting.verdicts import BENCHMARKS, COMBINATIONS, MODELS
from tests.reporting.conftest import paths
from tests.reporting.project import ROOT
from tests.tables import refuses

PLACE = CellKey("c_wo", "realocc", "pspnet")


def test_scores_lie_inside_their_intervals_and_differences_subtract(grid):
    assert len(grid.cells) == 135
    for place, cell in grid.cells.items():
        assert cell.paper is not None and (cell.estimate is None) != (cell.empty is None)
        if cell.estimate is not None:
            assert cell.estimate.low <= cell.estimate.value <= cell.estimate.high
            counts = grid.first_part(place).views["last"].counts.sum(axis=0)
            assert cell.estimate.value == metrics.mean_iou(counts)
            assert cell.estimate.num_seeds == 1
    forth = grid.difference("c_cm", "c_wo", "realocc", "pspnet")
    back = grid.difference("c_wo", "c_cm", "realocc", "pspnet")
    assert forth.value == -back.value > 0
    assert forth.low == pytest.approx(-back.high)
    assert grid.difference("c_cm", "c_wo", "cofw", "pspnet") is None


def test_cells_of_two_benchmarks_are_compared_without_pairing(grid, runs, regrid):
    places = [CellKey("c_wo", name, "pspnet") for name in ("realocc", "wo_test")]
    gap, cells = grid.compare(*places), [grid.cells[place].estimate for place in places]
    assert gap.value == cells[0].value - cells[1].value
    assert gap.num_images == 8  # the fewer: fewer degrees of freedom
    assert gap.error == pytest.approx(np.hypot(cells[0].error, cells[1].error), rel=0.15)
    # Each benchmark is resampled on its own, also where both have the same images.
    twice = {}
    for name, scores in runs.items():
        benchmarks = scores.benchmarks | {"wo_test": scores.benchmarks["realocc"]}
        twice[name] = dataclasses.replace(scores, benchmarks=benchmarks)
    gap = regrid(twice).compare(*places)
    assert gap.value == 0
    assert gap.error == pytest.approx(np.sqrt(2) * cells[0].error, rel=0.15)


def test_images_without_an_occluded_region_are_no_evidence_for_its_score(runs, regrid):
    def uncovered(scores):
        views = {
            name: dataclasses.replace(view, occluded=view.occluded * (np.arange(14) < 4)[:, None])
            for name, view in scores.benchmarks["realocc"].views.items()
        }
        return dataclasses.replace(scores, **changed_part(scores, views=views))

    grid = regrid({name: uncovered(scores) for name, scores in runs.items()})
    assert grid.estimate(PLACE, "miou").num_images == 14
    few = grid.estimate(PLACE, "iou_occluded")
    assert few.num_images == 4
    cell = grid.resampled(PLACE, "iou_occluded")
    many = estimate(cell.value, cell.resamples[0], 14)
    assert few.error > many.error
    gap = grid.difference("c_wo", "c_cm", "realocc", "pspnet", "iou_occluded")
    assert gap.num_images == 4


def test_a_group_is_drawn_with_its_benchmark(grid):
    images = np.array([3, 7, 9, 12])
    for name in ("c_wo", "c_cm"):  # the same draws for both, so that groups are paired
        place = CellKey(name, "realocc", "pspnet")
        counts = grid.first_part(place).views["last"].counts[images]
        drawn = grid.weights("realocc")[:, images] @ counts
        group = grid.resample(place, images, ["miou"])["miou"]
        np.testing.assert_allclose(group.resamples[0], metrics.mean_iou(drawn))
        whole = grid.resample(place, np.arange(14), ["miou"])["miou"]
        np.testing.assert_array_equal(whole.resamples, grid.resampled(place, "miou").resamples)


def test_missing_files_and_scores_of_other_runs_profiles_or_images_are_refused(project, tmp_path):
    root, made = project

    def refused(message, data=root / "data", models=root / "models", **changed):
        scores, _, _, *others = paths(root)
        with pytest.raises(ValueError, match=message):
            gather(dataclasses.replace(made, **changed), scores, models, data, *others)

    one, other = made.runs["pspnet_c_wo"], made.runs["pspnet_c_cm"]
    refused(r"pspnet_new\.json: no such score file", runs={"pspnet_new": one})
    refused(
        r"pspnet_c_wo\.json: scores of pspnet_c_wo / pspnet / C-WO, but .* / C-CM;",
        runs={"pspnet_c_wo": other},
    )
    refused("profile 'made-up', expected 'small'", profile="small")
    refused(r"pspnet_\w+/card\.json: no such file; run `dvc repro train`", models=tmp_path)
    data = shutil.copytree(root / "data", tmp_path / "data")
    with (data / "benchmarks/wo_test/index.json").open("a") as index:
        index.write("\n")
    refused("benchmark 'wo_test' changed since it was scored", data)


def changed_part(scores, **changed):
    part = dataclasses.replace(scores.benchmarks["realocc"], **changed)
    return {"benchmarks": scores.benchmarks | {"realocc": part}}


CONTRADICTIONS = {
    "different images": lambda one: changed_part(one, fingerprint="else"),
    "in another order": lambda one: changed_part(  # pairs would be of other images
        one, images=one.benchmarks["realocc"].images[::-1]
    ),
    "different 'headline': 'last' and 'best'": lambda one: {"headline": "best"},
    "different 'inference'": lambda one: {"inference": {"input_px": 512}},
}


@pytest.mark.parametrize("message", CONTRADICTIONS)
def test_contradicting_runs_are_refused(runs, regrid, message):
    one = runs["pspnet_c_wo"]
    other = dataclasses.replace(one, **CONTRADICTIONS[message](one))
    refuses(message, regrid, runs | {"pspnet_c_wo": other})


def test_a_seed_is_not_given_twice_and_a_benchmark_may_be_missing(runs, regrid):
    one = runs["pspnet_c_wo"]
    with pytest.raises(ValueError, match="same cell with the same seed 1; give one another `seed`"):
        regrid(runs | {"again": one})
    refuses("titles must differ", axes_of, {"a": {"title": "X"}, "b": {"title": "X"}}, {}, {})
    without = dataclasses.replace(one, benchmarks={})
    assert "evaluate.benchmarks" in regrid(runs | {"pspnet_c_wo": without}).cells[PLACE].empty


def test_without_a_run_its_cell_is_empty_and_the_headline_is_of_the_others(inputs, runs, regrid):
    kept = regrid({name: one for name, one in runs.items() if name != "pspnet_c_wo_natocc"})
    gone = kept.cells[PLACE._replace(combination="c_wo_natocc")]
    assert gone.empty == "no such run in params.yaml"
    assert len(heat_map(kept, ["realocc"], "viridis").axes[0].texts) == 9 * 3 - 1
    headline, lead = page.headline(dataclasses.replace(inputs, grid=kept))
    others = [inputs.grid.cells[PLACE._replace(model=m)] for m in ("deeplabv3plus", "segformer")]
    assert f"from {100 * np.mean([cell.estimate.value for cell in others]):.1f} to" in headline
    assert lead.startswith("Mean of DeepLabv3+, SegFormer, per cent. The paper has 90.2 and ")
    _, lead = page.headline(inputs)
    gap = mean_difference(inputs.grid, "c_wo_natocc", "c_wo", "realocc")
    low, high = (f"{100 * bound:+.1f}" for bound in (gap.low, gap.high))
    assert f"is {100 * gap.value:+.1f}, its 95 % interval [{low}, {high}], paired over 14" in lead


def test_a_mean_difference_is_the_mean_of_the_models_differences_and_paired(grid):
    interval = mean_difference(grid, "c_wo_natocc", "c_wo", "realocc")
    parts = [grid.difference("c_wo_natocc", "c_wo", "realocc", model) for model in grid.axes.models]
    assert interval.value == pytest.approx(np.mean([part.value for part in parts]))
    assert interval.low < interval.value < interval.high
    # No wider than the models' own on average: they see the same images.
    assert interval.error <= np.mean([part.error for part in parts]) + 1e-12
    alike = mean_difference(grid, "c_wo", "c_wo", "realocc")
    assert (alike.value, alike.low, alike.high) == (0, 0, 0)
    assert mean_difference(grid, "c_wo_natocc", "c_wo", "cofw") is None
    assert mean_over_models(grid, "c_wo", "cofw") is None


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
