"""Build the whole report from score files, run folders and image sets."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from face_occlusion.core.imageset import ImageSet
from face_occlusion.evaluation.bootstrap import Estimate, estimate_sum
from face_occlusion.evaluation.scores import RunScores, read_scores
from face_occlusion.overlap.findings import Overlap, read_overlap
from face_occlusion.reporting import tables
from face_occlusion.reporting.anomalies import ANOMALIES, Finding, find_anomalies
from face_occlusion.reporting.breakdowns import breakdown_table
from face_occlusion.reporting.cells import axes_of
from face_occlusion.reporting.claims import CLAIMS, Judgement, judge_claims
from face_occlusion.reporting.curves import METRICS, Curve, read_curves
from face_occlusion.reporting.data_files import group_table
from face_occlusion.reporting.evidence import OurEvidence, PaperEvidence
from face_occlusion.reporting.grid import Grid
from face_occlusion.reporting.occluder_kinds import name_kinds, read_occluder_kinds
from face_occlusion.reporting.overlaps import overlap_table
from face_occlusion.reporting.paper import Place
from face_occlusion.reporting.params import ReportParams
from face_occlusion.reporting.picks import count_corrected
from face_occlusion.reporting.pictures import parse_colour
from face_occlusion.reporting.provenance import read_cards
from face_occlusion.reporting.quantities import Inventory, take_inventory
from face_occlusion.reporting.table_files import Table
from face_occlusion.reporting.verdicts import Question, sure_differences

OCCLUDERS = ("hands", "objects", "textures")


@dataclass(frozen=True, kw_only=True)
class Sections:
    """The sections of params.yaml that a report reads."""

    profile: str
    report: ReportParams
    runs: Mapping[str, Any]
    combinations: Mapping[str, Any]
    models: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Material:
    """Everything a report is made of, read once.

    Attributes:
        sections: Of params.yaml.
        grid: All scores with margins.
        inventory: The image sets of the grid.
        occluders: The occluder sets by kind.
        cards: What each run says about its training.
        curves: By metric and run.
        overlap: Photographs and people that training and benchmarks share.
    """

    sections: Sections
    grid: Grid
    inventory: Inventory
    occluders: dict[str, ImageSet]
    cards: dict[str, dict[str, Any]]
    curves: dict[str, dict[str, Curve]]
    overlap: Overlap

    @property
    def colour(self) -> tuple[int, int, int]:
        """Colour of masks' outlines, RGB."""
        return parse_colour(self.sections.report.figures.mask_colour)

    @property
    def benchmarks(self) -> dict[str, ImageSet]:
        """The benchmarks' image sets by name, in the order of the columns."""
        names = self.sections.report.benchmarks
        return {name: self.inventory.sets[f"benchmarks/{name}"] for name in names}

    @property
    def run_names(self) -> dict[tuple[str, str], str]:
        """Name of the first seed's run by (combination, model)."""
        return {place: runs[0].run for place, runs in self.grid.runs.items()}

    @property
    def excluded(self) -> int | None:
        """Images of the release in none of the lists; None where nobody counted them."""
        return self.inventory.sets["faces/wo"].info.get("counts", {}).get("excluded")

    @cached_property
    def evidence(self) -> OurEvidence:
        """What claims and anomalies ask of our results."""
        inventory = self.inventory
        counts = {name: inventory.size(f"faces/{name}") for name in ("wo", "wo_test", "o")}
        if self.excluded is not None:
            counts |= {"excluded": self.excluded}
            counts["release"] = sum(counts.values())
        counts["corrected"] = count_corrected(inventory.sets["faces/o"])
        for key, combination in self.sections.combinations.items():
            counts[key], counts[f"{key}.generated"] = inventory.sizes(combination)
        return OurEvidence(grid=self.grid, counts=counts)

    @cached_property
    def breakdown(self) -> pd.DataFrame:
        """Scores of groups of images."""
        return breakdown_table(self.grid, self.sections.report.breakdown)

    @cached_property
    def sure(self) -> dict[Question, bool]:
        """Which differences are beyond doubt, among all that claims and anomalies read."""
        tests = [item.test for item in (*CLAIMS, *ANOMALIES)]
        return sure_differences(tests, self.evidence, self.sections.report.bootstrap.confidence)

    @cached_property
    def judgements(self) -> list[Judgement]:
        """The paper's claims, judged."""
        return judge_claims(self.evidence, PaperEvidence(), self.sure)

    @cached_property
    def findings(self) -> list[Finding]:
        """The paper's anomalies, measured."""
        return find_anomalies(self.evidence, PaperEvidence(), self.sure)


def gather(sections: Sections, scores: Path, models: Path, data: Path, overlap: Path) -> Material:
    """Read everything that the report needs.

    Args:
        sections: Of params.yaml; `runs` decides which score files are read.
        scores: Folder of score files.
        models: Folder of run folders.
        data: Folder with `faces/`, `occluders/`, `benchmarks/`, `sets/`.
        overlap: The file of stage `overlap`.

    Raises:
        ValueError: If something is missing, damaged, of another profile, or was scored on other
            images than the benchmarks now hold.
    """
    report = sections.report
    axes = axes_of(sections.combinations, sections.models, report.benchmarks)
    runs = {
        name: read_scores(
            scores / f"{name}.json", profile=sections.profile, benchmarks_folder=data / "benchmarks"
        )
        for name in sections.runs
    }
    for name, entry in sections.runs.items():
        _check_entry(scores / f"{name}.json", runs[name], name, entry)
    written = Path(report.breakdown.occluder_kinds)
    runs = name_kinds(runs, read_occluder_kinds(written), written)
    return Material(
        sections=sections,
        grid=Grid(axes, runs, report.bootstrap),
        inventory=take_inventory(data, sections.combinations, list(report.benchmarks)),
        occluders={kind: ImageSet(data / "occluders" / kind) for kind in OCCLUDERS},
        cards=read_cards(models, sections.runs),
        curves={metric: read_curves(models, sections.runs, metric) for metric in METRICS},
        overlap=read_overlap(overlap),
    )


def _check_entry(path: Path, scores: RunScores, name: str, entry: Mapping[str, Any]) -> None:
    """Refuse the scores of another run, and of a run that meant something else when scored."""
    found = scores.run, scores.model, scores.combination
    asked = name, entry["model"], entry["combination"]["title"]
    if found != asked:
        raise ValueError(
            f"{path}: scores of {' / '.join(found)}, but `runs` in params.yaml asks for "
            f"{' / '.join(asked)}; run `dvc repro` to score the run again"
        )


def all_tables(material: Material) -> dict[str, Table]:
    """Build Tables 1 to 5, and those of the claims, the anomalies and groups of images."""
    sections, grid, inventory = material.sections, material.grid, material.inventory
    built = [
        tables.table_1(),
        tables.table_2(inventory, material.excluded),
        tables.table_3(inventory, sections.combinations),
        tables.score_table(4, grid, sections.report.table_4, sections.combinations, inventory),
        tables.score_table(5, grid, sections.report.table_5, sections.combinations, inventory),
        tables.claims_table(material.judgements),
        tables.anomalies_table(material.findings),
        group_table(grid, material.breakdown),
        overlap_table(material.overlap),
    ]
    return {table.name: table for table in built}


def metrics(material: Material) -> dict[str, Any]:
    """Collect the handful of numbers for `dvc metrics show` and `dvc exp show`.

    Returns:
        By combination, its mIoU on Table 4's first benchmark, per cent, mean over the models;
        and how many claims have each outcome. All other scores are in the tables.
    """
    grid = material.grid
    headline = material.sections.report.table_4[0]
    means = {name: mean_over_models(grid, name, headline) for name in grid.axes.combinations}
    outcomes = [judgement.ours.outcome for judgement in material.judgements]
    return {
        headline: {name: mean for name, mean in means.items() if mean is not None},
        "claims": {name: outcomes.count(name) for name in ("holds", "fails", "undecided")},
    }


def mean_over_models(grid: Grid, combination: str, benchmark: str) -> float | None:
    """Average a combination's mIoU on a benchmark over the models with a score, per cent."""
    cells = [grid.cells[Place(combination, benchmark, model)] for model in grid.axes.models]
    scores = [cell.estimate.value for cell in cells if cell.estimate is not None]
    return round(100 * sum(scores) / len(scores), 2) if scores else None


def mean_difference(grid: Grid, first: str, second: str, benchmark: str) -> Estimate | None:
    """Estimate first less second combination, mean over the models, paired over images.

    Returns:
        The estimate, as a fraction; None if a cell of either is empty.
    """
    terms, number = [], len(grid.axes.models)
    for model in grid.axes.models:
        for combination, weight in ((first, 1 / number), (second, -1 / number)):
            place = Place(combination, benchmark, model)
            if not grid.parts(place):
                return None
            terms.append((weight, grid.resampled(place, "miou")))
    rng = grid.rng("/".join((first, second, benchmark)))
    return estimate_sum(terms, len(grid.images(benchmark)), grid.params.confidence, rng)


def replace_children(partial_folder: Path, out: Path) -> None:
    """Move finished files and folders over those of `out`; anything else in it is left alone."""
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted(partial_folder.iterdir()):
        target = out / path.name
        if target.is_dir():
            shutil.rmtree(target)
        path.replace(target)
    partial_folder.rmdir()
