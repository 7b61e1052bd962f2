"""The list of figures: those of the paper that our data can give, by number, and our own.

A figure that the data cannot give stays in the catalogue and says why.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from face_occlusion.core.imageset import ImageSet
from face_occlusion.core.params import read_yaml
from face_occlusion.reporting import charts, figures, generated, per_image
from face_occlusion.reporting.cells import CellKey
from face_occlusion.reporting.figures import Drawn
from face_occlusion.reporting.generated import Regenerator, why_absent
from face_occlusion.reporting.groups import breakdown_chart
from face_occlusion.reporting.inputs import ReportInputs

_FIGURES = read_yaml(Path(__file__).with_name("figures.yaml"))
PREDICTIONS_FROM = 11  # number of the first model's figure


@dataclass(frozen=True, kw_only=True)
class FigureEntry:
    """One figure of the report."""

    name: str  # of its files, without extension
    number: int | None = None  # the paper's; None for figures of our own
    title: str  # what it shows
    caption: str  # by which rule its images were chosen, and how to read it
    draw: Callable[[], Drawn]  # gives the figure, or the reason why there is none
    in_gallery: bool = True  # whether the page shows the drawn figure; others in its own way


def catalogue(inputs: ReportInputs) -> list[FigureEntry]:
    """List every figure in the order of its number, those of our own after the paper's."""
    parts = (_sample_sheets, _predictions, _described, _charts)
    entries = [entry for part in parts for entry in part(inputs)]
    return sorted(entries, key=lambda entry: entry.number or 100)


def _described(inputs: ReportInputs) -> Iterator[FigureEntry]:
    report, grid, every = inputs.sections.report, inputs.grid, inputs.inventory.sets
    probed, colour_map = report.qualitative, report.figures.colour_map
    probe = (grid, inputs.benchmarks[probed.benchmark], probed.benchmark, probed.images_per_rule)
    sets = {Path(name).name: one for name, one in every.items()}
    hand, moved, item = map(sets.get, ("natocc_hand", "natocc_hand_sot", "natocc_object"))
    again = partial(_regenerated, every, inputs.occluders)
    draw: dict[str, Callable[[], Drawn]] = {
        "figure_01_teaser": partial(generated.teaser, sets),
        "figure_03_wrong_labels": partial(
            _shown, partial(per_image.wrong_labels, inputs.colour), every["faces/o"]
        ),
        "figure_04_hands": partial(_shown, partial(again, generated.hand_sets), hand),
        "figure_05_alignment": partial(figures.alignment, inputs.benchmarks, inputs.colour),
        "figure_06_algorithm1": partial(_shown, partial(again, generated.algorithm_1), moved),
        "figure_07_colour_transfer": partial(_shown, generated.colour_transfer, hand, moved),
        "figure_08_harmonisation": partial(_shown, partial(again, generated.harmonisation), item),
        "figure_09_randocc": partial(_shown, generated.random_shapes, sets.get("randocc_1")),
        "figure_10_transparent": partial(per_image.transparent_probe, *probe, inputs.colour),
        "table4_heat_map": partial(charts.heat_map, grid, report.table_4, colour_map),
        "table5_heat_map": partial(charts.heat_map, grid, report.table_5, colour_map),
    }
    for name, texts in _FIGURES["described"].items():
        yield FigureEntry(name=name, draw=draw[name], **texts)


def _shown(draw: Callable[..., Drawn], *image_sets: ImageSet | None) -> Drawn:
    """Draw a figure of some sets if all of them are there and have images."""
    there = [image_set for image_set in image_sets if image_set is not None]
    if len(there) < len(image_sets):
        return "no combination of the grid has this set"
    return next((reason for one in there if (reason := why_absent(one))), None) or draw(*there)


def _regenerated(
    sets: Mapping[str, ImageSet],
    occluders: Mapping[str, ImageSet],
    draw: Callable[[Regenerator], Drawn],
    image_set: ImageSet,
) -> Drawn:
    faces = sets[f"faces/{image_set.info['faces']}"]
    return draw(Regenerator(image_set, faces, occluders[image_set.info["occluders"]]))


def _predictions(inputs: ReportInputs) -> Iterator[FigureEntry]:
    """Figs 11 to 13: for each model the same images, picked by rule, and several combinations."""
    grid, chosen = inputs.grid, inputs.sections.report.qualitative
    pair = chosen.first, chosen.second
    picks = per_image.pick_by_difference(grid, chosen.benchmark, pair, chosen.images_per_rule)
    image_set = inputs.benchmarks[chosen.benchmark]
    titles = grid.axes.combinations
    shown = [name for name in chosen.combinations if name in titles]
    first, second = (titles.get(name, name) for name in pair)
    unknown = [name for name in pair if name not in titles]
    for number, (model, title) in enumerate(grid.axes.models.items(), PREDICTIONS_FROM):
        cells = [CellKey(name, chosen.benchmark, model) for name in shown]
        drawn = grid, image_set, picks, cells, inputs.colour
        draw: Callable[[], Drawn] = partial(per_image.predictions, *drawn)
        if unknown:
            draw = partial(str, f"combinations lack '{unknown[0]}', which report.qualitative names")
        yield FigureEntry(
            name=f"figure_{number}_predictions_{model}",
            number=number,
            title=f"Predictions of {title} on {grid.axes.benchmarks[chosen.benchmark]}",
            caption=f"In full light: predicted face. The images where {first} gains most, median "
            f"and least over {second}, mean of the models. Below each, the image's mIoU.",
            draw=draw,
        )


def _sample_sheets(inputs: ReportInputs) -> Iterator[FigureEntry]:
    """Figs 14 to 19, and sheets of the other sets and benchmarks."""
    number = inputs.sections.report.figures.sheet_images
    draw = partial(figures.sample_sheet, number=number, colour=inputs.colour)
    for name, image_set in inputs.inventory.sets.items():
        if name.startswith("faces/"):
            continue
        short = Path(name).name
        other = None, inputs.grid.axes.benchmarks.get(short, short)
        number, title = _FIGURES["sheets"].get(name, other)
        prefix = "samples" if number is None else f"figure_{number}"
        yield FigureEntry(
            name=f"{prefix}_{short}",
            number=number,
            title=title,
            caption="Evenly spaced samples; each image with and without its mask's outline.",
            draw=partial(_shown, draw, image_set),
            in_gallery=False,
        )


def _charts(inputs: ReportInputs) -> Iterator[FigureEntry]:
    axes, chosen = inputs.grid.axes, inputs.sections.report.qualitative
    titles = axes.combinations
    shown = {name: titles[name] for name in chosen.combinations if name in titles}
    yield FigureEntry(
        name=f"breakdown_{chosen.benchmark}",
        title=f"{axes.benchmarks[chosen.benchmark]}, by groups of images",
        caption="mIoU, mean of the models, with its interval from the bootstrap over images.",
        draw=partial(breakdown_chart, inputs.breakdown, chosen.benchmark, axes, shown),
    )
    yield FigureEntry(
        name="training_curves",
        title="Training",
        caption=f"One line for each training set. Loss: {charts.METRICS['loss']['note']}",
        draw=partial(charts.training_curves, axes, inputs.run_names, inputs.curves),
        in_gallery=False,
    )


def draw_figure(entry: FigureEntry, folder: Path, dpi: int) -> str | None:
    """Draw one figure as PNG and PDF, or return why there is none."""
    with figures.house_style():
        drawn = entry.draw()
        if isinstance(drawn, str):
            return drawn
        figures.save(drawn, folder, entry.name, dpi)
        return None


def write_captions(
    path: Path, entries: Sequence[FigureEntry], reasons: Sequence[str | None]
) -> dict[str, str]:
    """Write every figure's caption, or why it was not drawn; return these reasons by name."""
    lines = ["# Figures\n"]
    for entry, reason in zip(entries, reasons, strict=True):
        number = f" (Figure {entry.number} of the paper)" if entry.number is not None else ""
        text = entry.caption if reason is None else f"Not drawn: {reason}."
        lines.append(f"- `{entry.name}`: {entry.title}{number}. {text}")
    path.write_text("\n".join(lines) + "\n")
    drawn = zip(entries, reasons, strict=True)
    return {entry.name: reason for entry, reason in drawn if reason is not None}
