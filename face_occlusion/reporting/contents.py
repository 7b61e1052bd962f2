"""What the page shows, collected from the material of a report."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from face_occlusion.core.imageset import ImageSet
from face_occlusion.reporting import page
from face_occlusion.reporting.browser import browser_data
from face_occlusion.reporting.build import Material, mean_difference, mean_over_models
from face_occlusion.reporting.curves import METRICS
from face_occlusion.reporting.groups import group_tables, left_out, measure_titles
from face_occlusion.reporting.overlaps import closest_pictures
from face_occlusion.reporting.paper import paper_cells, paper_quantity
from face_occlusion.reporting.picks import pick_most_corrected
from face_occlusion.reporting.pictures import data_uri, outlined, reduced
from face_occlusion.reporting.provenance import are_drawn, hashes, release_files, substitutions
from face_occlusion.reporting.table_files import Table
from face_occlusion.reporting.tables import empty_reasons

PAGE_SAMPLES = 12  # of each set; both fill whole rows of 6, on a phone of 3
PAGE_WRONG = 6
REPORTED_WITH = ("numpy", "opencv-python", "matplotlib", "pandas")


def page_context(
    material: Material, built: dict[str, Table], gallery: list[page.Exhibit]
) -> dict[str, Any]:
    """Collect what the page's template shows.

    Args:
        material: What the report is made of.
        built: Its tables by name.
        gallery: Its figures.
    """
    sections, grid, report = material.sections, material.grid, material.sections.report
    chosen = report.qualitative
    browsers = list(_browsers(material))
    first_model = next(iter(grid.axes.models))
    names = material.run_names
    image_sets = [*material.inventory.sets.values(), *material.occluders.values()]
    headline, lead = _headline(material)
    context = {
        "profile": sections.profile,
        "headline": headline,
        "lead": lead,
        "drawn": are_drawn(image_sets),
        "facts": _facts(material),
        "models": grid.axes.models,
        "benchmarks": grid.axes.benchmarks,
        "combinations": grid.axes.combinations,
        "confidence": f"{100 * report.bootstrap.confidence:g}",
        "score_tables": list(_score_tables(material)),
        "charts": _charts(material),
        "groups": list(group_tables(material.breakdown, grid.axes)),
        "groups_left_out": left_out(material.breakdown, grid.axes),
        "measures": measure_titles(),
        "browsers": browsers,
        "browser_first": names.get((chosen.second, first_model)),
        "browser_second": names.get((chosen.first, first_model)),
        "gallery": gallery,
        "mask_colour": report.figures.mask_colour,
        "sheets": list(_sheets(material)),
        "wrong": list(_wrong_labels(material)),
        "judgements": material.judgements,
        "findings": material.findings,
        "substitutions": substitutions(
            material.inventory, material.occluders, material.cards, grid, sections.models
        ),
        "tables": built,
        "closest": closest_pictures(
            material.overlap, material.inventory.sets, report.page.thumbnail_px
        ),
        "versions": _versions(material),
        "hashes": hashes({**material.inventory.sets, **_named_occluders(material)}),
        "release_files": release_files(image_sets),
        "fingerprints": [
            (run, card["fingerprint"])
            for run, card in material.cards.items()
            if "fingerprint" in card
        ],
    }
    return context | {"sections": list(_anchors(context))}


def _browsers(material: Material) -> Iterator[dict[str, Any]]:
    """Collect the image browser's data by benchmark, the one of the figures first."""
    chosen, of_page = material.sections.report.qualitative, material.sections.report.page
    order = sorted(material.benchmarks, key=lambda name: name != chosen.benchmark)
    for name in order:
        data = browser_data(
            material.grid,
            material.benchmarks[name],
            name,
            of_page.browser_images,
            of_page.thumbnail_px,
        )
        if data["runs"]:
            yield data


def _named_occluders(material: Material) -> dict[str, ImageSet]:
    return {f"occluders/{kind}": one for kind, one in material.occluders.items()}


def _anchors(context: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "results", "Results"
    if context["groups"]:
        yield "breakdowns", "Breakdowns"
    if context["charts"]:
        yield "curves", "Training"
    if context["browsers"]:
        yield "predictions", "Predictions"
    yield "figures", "Figures"
    yield "samples", "Images"
    if context["wrong"]:
        yield "wrong", "Wrong labels"
    yield "claims", "Claims"
    yield "ingredients", "Ingredients"
    yield "overlap", "Overlap"
    yield "provenance", "Hashes"


def _headline(material: Material) -> tuple[str, str]:
    """Say in one sentence what came out, and in another what the paper has."""
    grid, chosen = material.grid, material.sections.report.qualitative
    title = grid.axes.benchmarks[chosen.benchmark]
    low = mean_over_models(grid, chosen.second, chosen.benchmark)
    high = mean_over_models(grid, chosen.first, chosen.benchmark)
    if low is None or high is None:
        return "Face occlusion segmentation", f"No scores on {title}."
    second, first = (grid.axes.combinations[name] for name in (chosen.second, chosen.first))
    headline = (
        f"Training on {first} instead of {second} takes the mIoU on {title} "
        f"from {low:.1f} to {high:.1f}"
    )
    printed = [_paper_mean(name, chosen.benchmark) for name in (chosen.second, chosen.first)]
    lead = f"Mean of {len(grid.axes.models)} models, per cent."
    margin = mean_difference(grid, chosen.first, chosen.second, chosen.benchmark)
    if margin is not None and margin.low == margin.low:
        lead += (
            f" The difference is {100 * margin.value:+.1f}, its "
            f"{100 * grid.params.confidence:g} % interval [{100 * margin.low:+.1f}, "
            f"{100 * margin.high:+.1f}], paired over {margin.num_images} images."
        )
    if None not in printed:
        lead += f" The paper has {printed[0]:.1f} and {printed[1]:.1f}."
    return headline, lead


def _paper_mean(combination: str, benchmark: str) -> float | None:
    scores = [
        cell.miou
        for place, cell in paper_cells().items()
        if (place.combination, place.benchmark) == (combination, benchmark)
    ]
    return sum(scores) / len(scores) if scores else None


def _facts(material: Material) -> list[tuple[str, str]]:
    cells = material.grid.cells.values()
    scored = sum(cell.estimate is not None for cell in cells)
    outcomes = [judgement.ours.outcome for judgement in material.judgements]
    return [
        ("Runs", str(sum(map(len, material.grid.runs.values())))),
        ("Cells with a score", f"{scored} of {len(cells)}"),
        ("Claims that hold here", f"{outcomes.count('holds')} of {len(outcomes)}"),
        ("that fail", str(outcomes.count("fails"))),
        ("undecided", str(outcomes.count("undecided"))),
    ]


def _score_tables(material: Material) -> Iterator[dict[str, Any]]:
    grid, report = material.grid, material.sections.report
    for number, names in ((4, report.table_4), (5, report.table_5)):
        rows = page.score_rows(grid, names)
        for row in rows:
            combination = material.sections.combinations[row["key"]]
            row["quantity"] = material.inventory.quantity(combination)
            row["images"] = sum(material.inventory.sizes(combination))
            row["paper_quantity"] = paper_quantity(row["key"], number) or "–"
        yield {
            "title": f"Table {number}",
            "benchmarks": names,
            "rows": rows,
            "notes": empty_reasons(grid, names),
        }


def _charts(material: Material) -> list[dict[str, Any]]:
    charts = []
    for name, metric in METRICS.items():
        panels = page.chart_panels(
            material.grid.axes, material.run_names, material.curves[name], metric.scale
        )
        if panels:
            charts.append({"title": metric.title, "note": metric.note, "panels": panels})
    return charts


def _sheets(material: Material) -> Iterator[dict[str, Any]]:
    side_px = material.sections.report.page.thumbnail_px
    for name, image_set in material.inventory.sets.items():
        if name.startswith("faces/"):
            continue
        title = material.grid.axes.benchmarks.get(Path(name).name, image_set.info["name"])
        yield {
            "title": title,
            "about": _about(name, image_set),
            "absent": image_set.absent,
            "params": page.flat_facts(image_set.info.get("params", {})),
            "samples": page.samples(image_set, PAGE_SAMPLES, side_px),
        }


def _about(name: str, image_set: ImageSet) -> str:
    kind = "benchmark" if name.startswith("benchmarks/") else "training set"
    return f"{kind} · {len(image_set):,} images"


def _wrong_labels(material: Material) -> Iterator[dict[str, str]]:
    faces, side_px = material.inventory.sets["faces/o"], material.sections.report.page.thumbnail_px
    for key, share in pick_most_corrected(faces, PAGE_WRONG):
        image = faces.image(key)
        pictures = [
            data_uri(
                reduced(
                    outlined(image, faces.seg_map(key, part) == 1, material.colour, tint=0.3),
                    side_px,
                )
            )
            for part in ("original.png", "png")
        ]
        yield {
            "key": key,
            "share": f"{100 * share:.0f} %",
            "original": pictures[0],
            "corrected": pictures[1],
        }


def _versions(material: Material) -> list[tuple[str, str]]:
    """Collect the versions that the runs were trained with; several where they differ."""
    found: dict[str, dict[str, None]] = {}
    for card in material.cards.values():
        for name, value in card.get("versions", {}).items():
            found.setdefault(name, {})[value] = None
    trained = [(name, " / ".join(values)) for name, values in found.items()]
    return trained + [(f"report: {name}", version(name)) for name in REPORTED_WITH]
