"""What a report is made of: the parameters, and everything read from disk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd

from face_occlusion.core.files import read_json
from face_occlusion.core.imageset import ImageSet
from face_occlusion.core.params import FILLED, Checked, Meta, Natural
from face_occlusion.evaluation.scores import read_scores
from face_occlusion.overlap.compare import Overlap, read_overlap
from face_occlusion.reporting import breakdowns, verdicts
from face_occlusion.reporting.cells import axes_of
from face_occlusion.reporting.charts import METRICS, read_curves
from face_occlusion.reporting.claims import ANOMALIES, CLAIMS, Judgement, judge_all
from face_occlusion.reporting.grid import BootstrapParams, Grid
from face_occlusion.reporting.others import read_others
from face_occlusion.reporting.provenance import Inventory


@dataclass(frozen=True, kw_only=True)
class FigureParams(Checked):
    """How figures look."""

    dpi: Annotated[int, Meta(ge=50, le=600)]
    sheet_images: Annotated[int, Meta(ge=1, le=200)]
    mask_colour: Annotated[str, Meta(pattern="^#[0-9a-fA-F]{6}$")]
    # Even in lightness: they survive a grey print.
    colour_map: Literal["cividis", "viridis", "gray"]


@dataclass(frozen=True, kw_only=True)
class QualitativeParams(Checked):
    """Which predictions are shown: picked by the difference of two combinations."""

    benchmark: str
    first: str
    second: str
    images_per_rule: Annotated[int, Meta(ge=1, le=10)]
    combinations: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class PageParams(Checked):
    """What the page carries."""

    thumbnail_px: Annotated[int, Meta(ge=32, le=1024)]
    browser_images: Natural


@dataclass(frozen=True, kw_only=True)
class ReportParams(Checked):
    """Section `report` of params.yaml."""

    benchmarks: Mapping[str, str]  # titles, in the order of the columns
    table_4: Annotated[Sequence[str], FILLED]
    table_5: Annotated[Sequence[str], FILLED]
    bootstrap: BootstrapParams
    breakdown: breakdowns.BreakdownParams
    figures: FigureParams
    qualitative: QualitativeParams
    page: PageParams

    def __post_init__(self) -> None:
        super().__post_init__()
        for key, names in (("table_4", self.table_4), ("table_5", self.table_5)):
            if unknown := set(names) - set(self.benchmarks):
                raise ValueError(f"{key}: not among benchmarks: {sorted(unknown)}")
        if self.qualitative.benchmark not in self.benchmarks:
            raise ValueError(
                f"qualitative.benchmark must be among benchmarks; got {self.qualitative.benchmark}"
            )


NO_CARD = "no such file; run `dvc repro train`"
OCCLUDERS = ("hands", "objects", "textures")


@dataclass(frozen=True, kw_only=True)
class Sections:
    """The sections of params.yaml that a report reads."""

    profile: str
    report: ReportParams
    runs: Mapping[str, Any]
    combinations: Mapping[str, Any]
    models: Mapping[str, Any]

    def only(self, *, online: bool) -> "Sections":
        """Return the part on the paper's rows, or on those that are occluded while training."""
        items = self.combinations.items()
        rows = {name: row for name, row in items if bool(row.get("online")) == online}
        runs = {name: run for name, run in self.runs.items() if run["combination"] in rows}
        return replace(self, combinations=rows, runs=runs)


@dataclass(frozen=True, kw_only=True)
class ReportInputs:
    """Everything a report is made of, read once."""

    sections: Sections  # the paper's rows alone, as all below but `beyond`
    grid: Grid  # all scores with intervals
    online: Mapping[str, Any]  # rows that the paper does not have, occluded while training
    beyond: Grid  # their scores
    inventory: Inventory  # the image sets of the grid
    occluders: dict[str, ImageSet]  # by kind
    cards: dict[str, dict[str, Any]]  # what each run says about its training
    curves: dict[str, dict[str, pd.Series]]  # by metric and run
    overlap: Overlap  # photographs and people that training and benchmarks share
    others: dict[str, Grid]  # by name, the row of each network of others

    @property
    def colour(self) -> tuple[int, int, int]:
        """Colour of masks' outlines, RGB."""
        red, green, blue = bytes.fromhex(self.sections.report.figures.mask_colour[1:])
        return red, green, blue

    @property
    def benchmarks(self) -> dict[str, ImageSet]:
        """The benchmarks' image sets by name, in the order of the columns."""
        names = self.sections.report.benchmarks
        return {name: self.inventory.sets[f"benchmarks/{name}"] for name in names}

    @property
    def run_names(self) -> dict[tuple[str, str], str]:
        """Name of the first seed's run by (combination, model)."""
        return {key: runs[0].run for key, runs in self.grid.runs.items()}

    @property
    def excluded(self) -> int | None:
        """Images of the release in none of the lists; None if they were not counted."""
        return self.inventory.sets["faces/wo"].info.get("counts", {}).get("excluded")

    @cached_property
    def evidence(self) -> verdicts.OurEvidence:
        """What claims and anomalies ask of our results."""
        inventory = self.inventory
        counts = {name: len(inventory.sets[f"faces/{name}"]) for name in ("wo", "wo_test", "o")}
        if self.excluded is not None:
            counts |= {"excluded": self.excluded}
            counts["release"] = sum(counts.values())
        faces = inventory.sets["faces/o"]
        corrected = (
            faces.read(key, "png") != faces.read(key, "original.png") for key in faces.keys
        )
        counts["corrected"] = sum(corrected)
        for key, combination in self.sections.combinations.items():
            counts[key], counts[f"{key}.generated"] = inventory.sizes(combination)
        return verdicts.OurEvidence(grid=self.grid, counts=counts)

    @cached_property
    def breakdown(self) -> pd.DataFrame:
        """Scores of groups of images."""
        return breakdowns.breakdown_table(self.grid, self.sections.report.breakdown)

    @cached_property
    def significant(self) -> dict[verdicts.Question, bool]:
        """Which differences are significant, among all that claims and anomalies read."""
        tests = [item.test for item in (*CLAIMS, *ANOMALIES)]
        confidence = self.sections.report.bootstrap.confidence
        return verdicts.significant_differences(tests, self.evidence, confidence)

    @cached_property
    def judgements(self) -> list[Judgement]:
        """The paper's claims, judged."""
        return judge_all(CLAIMS, self.evidence, verdicts.PaperEvidence(), self.significant)

    @cached_property
    def anomalies(self) -> list[Judgement]:
        """The paper's anomalies, measured."""
        return judge_all(ANOMALIES, self.evidence, verdicts.PaperEvidence(), self.significant)


def gather(
    sections: Sections, scores: Path, models: Path, data: Path, overlap: Path, others: Path
) -> ReportInputs:
    """Read what `runs` of the sections names from the folders, and the file of the stage `overlap`.

    What is missing, damaged, of another profile, or was scored on other images than the benchmarks
    now hold is a ValueError.
    """
    report = sections.report
    axes = axes_of(sections.combinations, sections.models, report.benchmarks)
    checked = {"profile": sections.profile, "benchmarks_folder": data / "benchmarks"}
    runs = {}
    for name, entry in sections.runs.items():
        path = scores / f"{name}.json"
        one = runs[name] = read_scores(path, **checked)
        found = one.run, one.model, one.combination
        asked = name, entry["model"], axes.combinations[entry["combination"]]
        if found != asked:
            raise ValueError(
                f"{path}: scores of {' / '.join(found)}, but `runs` in params.yaml asks for "
                f"{' / '.join(asked)}; run `dvc repro` to score the run again"
            )
    runs = breakdowns.name_kinds(runs, Path(report.breakdown.occluder_kinds))
    parts = {part for row in sections.combinations.values() for part in row["data"]}
    names = ["faces/wo", "faces/wo_test", "faces/o", *sorted(parts)]
    names += [f"benchmarks/{name}" for name in report.benchmarks]
    sections, further = (sections.only(online=online) for online in (False, True))
    if not sections.combinations:
        raise ValueError("params.yaml: combinations: all are online; the report needs others too")
    grid, beyond = (
        Grid(
            axes_of(part.combinations, part.models, report.benchmarks),
            {name: runs[name] for name in part.runs},
            report.bootstrap,
        )
        for part in (sections, further)
    )
    return ReportInputs(
        sections=sections,
        grid=grid,
        online=further.combinations,
        beyond=beyond,
        inventory=Inventory(sets={name: ImageSet(data / name) for name in names}),
        occluders={kind: ImageSet(data / "occluders" / kind) for kind in OCCLUDERS},
        cards={run: read_json(models / run / "card.json", NO_CARD) for run in sections.runs},
        curves={metric: read_curves(models, sections.runs, metric) for metric in METRICS},
        overlap=read_overlap(overlap),
        others=read_others(others, report.benchmarks, report.bootstrap, **checked),
    )
