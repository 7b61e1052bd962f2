"""The page `index.html`: one file that needs nothing else."""

import json
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

import jinja2
from markupsafe import Markup, escape

from face_occlusion.evaluation.bootstrap import Estimate
from face_occlusion.evaluation.measures import MEASURES
from face_occlusion.reporting import page_images
from face_occlusion.reporting.breakdowns import MEASURED
from face_occlusion.reporting.cells import Cell, CellKey, paper_cells
from face_occlusion.reporting.charts import METRICS, chart_panels
from face_occlusion.reporting.grid import mean_difference, mean_over_models
from face_occlusion.reporting.groups import group_tables
from face_occlusion.reporting.inputs import ReportInputs
from face_occlusion.reporting.provenance import are_drawn, release_files, substitutions
from face_occlusion.reporting.tables import LATEX_ESCAPES, MINUS, ScoreTable, Table

CHECKPOINTS = {"last": "last checkpoint", "best": "checkpoint selected on RealOcc"}
REPORTED_WITH = ("numpy", "opencv-python", "matplotlib", "pandas")


def page_context(
    inputs: ReportInputs, built: dict[str, Table], gallery: list[dict[str, Any]]
) -> dict[str, Any]:
    """Collect what the page's template shows: of the inputs, the tables by name, the figures."""
    sections, grid, report = inputs.sections, inputs.grid, inputs.sections.report
    sets, first_model = inputs.inventory.sets, next(iter(grid.axes.models))
    occluders = {f"occluders/{kind}": one for kind, one in inputs.occluders.items()}
    title, lead = headline(inputs)
    curves = grid.axes, inputs.run_names
    groups, groups_left_out = group_tables(inputs.breakdown, grid.axes)
    return {
        "profile": sections.profile,
        "headline": title,
        "lead": lead,
        "drawn": are_drawn([*sets.values(), *occluders.values()]),
        "facts": _facts(inputs),
        "models": grid.axes.models,
        "benchmarks": grid.axes.benchmarks,
        "combinations": grid.axes.combinations,
        "confidence": f"{100 * report.bootstrap.confidence:g}",
        "score_tables": [table for table in built.values() if isinstance(table, ScoreTable)],
        "charts": [
            metric | {"panels": panels}
            for name, metric in METRICS.items()
            if (panels := chart_panels(*curves, inputs.curves[name], metric["scale"]))
        ],
        "groups": groups,
        "groups_left_out": groups_left_out,
        "measures": {key: MEASURES[key].title for key in MEASURED},
        "latex": {"minus": MINUS.pattern, "escapes": LATEX_ESCAPES},
        "browsers": page_images.browsers(inputs),
        "browsed": {name: MEASURES[name].title for name in page_images.BROWSED},
        "browser_first": inputs.run_names.get((report.qualitative.second, first_model)),
        "browser_second": inputs.run_names.get((report.qualitative.first, first_model)),
        "gallery": gallery,
        "mask_colour": report.figures.mask_colour,
        "sheets": list(page_images.sheets(inputs)),
        "wrong": list(page_images.wrong_labels(inputs)),
        "judgements": inputs.judgements,
        "anomalies": inputs.anomalies,
        "substitutions": substitutions(
            inputs.inventory, inputs.occluders, inputs.cards, grid, sections.models
        ),
        "tables": built,
        "closest": page_images.closest_pictures(inputs.overlap, sets, report.page.thumbnail_px),
        "versions": _versions(inputs),
        "hashes": [(name, len(one), one.sha256) for name, one in (sets | occluders).items()],
        "release_files": release_files([*sets.values(), *occluders.values()]),
        "cards": inputs.cards,
    }


def headline(inputs: ReportInputs) -> tuple[str, str]:
    """Say in one sentence what came out, and in another what the paper has."""
    grid, chosen = inputs.grid, inputs.sections.report.qualitative
    title = grid.axes.benchmarks[chosen.benchmark]
    names = chosen.second, chosen.first
    rows = {m: [CellKey(name, chosen.benchmark, m) for name in names] for m in grid.axes.models}
    models = [model for model, keys in rows.items() if all(map(grid.parts, keys))]
    if not models:
        pair = " and ".join(reversed(names))
        return "Face occlusion segmentation", f"No network has scores of {pair} on {title}."
    low, high = (mean_over_models(grid, name, chosen.benchmark, models) for name in names)
    second, first = (grid.axes.combinations[name] for name in names)
    sentence = (
        f"Training on {first} instead of {second} takes the mIoU on {title} "
        f"from {low:.1f} to {high:.1f}"
    )
    lead = f"Mean of {', '.join(grid.axes.models[model] for model in models)}, per cent."
    interval = mean_difference(grid, chosen.first, chosen.second, chosen.benchmark)
    if interval is not None and interval.low == interval.low:
        lead += (
            f" The difference is {100 * interval.value:+.1f}, its "
            f"{100 * grid.params.confidence:g} % interval [{100 * interval.low:+.1f}, "
            f"{100 * interval.high:+.1f}], paired over {interval.num_images} images."
        )
    known = paper_cells()
    printed = [[known[rows[m][i]].miou for m in models if rows[m][i] in known] for i in (0, 1)]
    if all(printed):
        low, high = (sum(scores) / len(scores) for scores in printed)
        lead += f" The paper has {low:.1f} and {high:.1f}."
    return sentence, lead


def _facts(inputs: ReportInputs) -> list[tuple[str, str]]:
    cells = inputs.grid.cells.values()
    scored = sum(cell.estimate is not None for cell in cells)
    outcomes = [judgement.ours.outcome for judgement in inputs.judgements]
    return [
        ("Runs", str(sum(map(len, inputs.grid.runs.values())))),
        ("Cells with a score", f"{scored} of {len(cells)}"),
        ("Claims that hold here", f"{outcomes.count('holds')} of {len(outcomes)}"),
        ("that fail", str(outcomes.count("fails"))),
        ("undecided", str(outcomes.count("undecided"))),
    ]


def _versions(inputs: ReportInputs) -> list[tuple[str, str]]:
    """Collect the versions that the runs were trained with; several where they differ."""
    found: dict[str, dict[str, None]] = {}
    for card in inputs.cards.values():
        for name, value in card.get("versions", {}).items():
            found.setdefault(name, {})[value] = None
    trained = [(name, " / ".join(values)) for name, values in found.items()]
    return trained + [(f"report: {name}", version(name)) for name in REPORTED_WITH]


def cell_tip(cell: Cell) -> str:
    """Write what a reader learns on hovering over a cell."""
    lines = [f"No score: {cell.empty}"]
    if cell.estimate is not None:
        lines = list(_score_lines(cell, cell.estimate))
    if cell.printed is not None:
        lines.append(f"Paper: {cell.printed:.2f}")
    if cell.difference is not None:
        lines.append(f"Ours minus the paper's: {cell.difference:+.2f}")
    return "\n".join(lines)


def _score_lines(cell: Cell, estimate: Estimate) -> Iterator[str]:
    scores = {name: f"{100 * score:.2f}" for name, score in cell.scores[cell.headline].items()}
    low, high = 100 * estimate.low, 100 * estimate.high
    yield f"mIoU {cell.ours:.2f}" + (f" [{low:.2f}, {high:.2f}]" if low == low else "")
    yield f"IoU face {scores['iou_face']}, background {scores['iou_background']}"
    yield f"mean over images {scores['miou_per_image']}, boundary IoU {scores['boundary_iou']}"
    yield f"frequency-weighted {scores['fwiou']} (weighs background more, so hides the problem)"
    yield f"calibration error {scores['ece']}"
    for view, other in cell.scores.items():
        if view != cell.headline:
            checkpoint, _, augmented = view.partition("_")
            title = CHECKPOINTS[checkpoint] + (", mean of 12 views" if augmented else "")
            yield f"{title}: mIoU {100 * other['miou']:.2f}"
    yield f"{cell.num_images} images"


def as_json(value: object) -> Markup:
    """Write JSON that may stand inside a script element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))


def unbroken(text: str) -> Markup:
    """Keep names with hyphens, such as C-WO-NatOcc, on one line."""
    words = (
        Markup('<span class="nb">{}</span>').format(word) if "-" in word else escape(word)
        for word in text.split(" ")
    )
    return Markup(" ").join(words)


def render(context: Mapping[str, Any]) -> str:
    """Fill the page's template."""
    pages = environment(jinja2.PackageLoader("face_occlusion.reporting"))
    pages.filters |= {"unbroken": unbroken, "tip": cell_tip}
    return pages.get_template("report.html").render(context)


def environment(loader: jinja2.BaseLoader) -> jinja2.Environment:
    """Make an environment for pages: HTML values are escaped, a missing value is an error."""
    made = jinja2.Environment(
        loader=loader,
        autoescape=lambda name: bool(name and name.endswith(".html")),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["json"] = as_json
    return made
