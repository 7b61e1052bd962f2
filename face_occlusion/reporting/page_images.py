"""Pictures on the page: the image browser, samples, figures, wrong labels and closest pairs."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from face_occlusion.core.arithmetic import evenly_spaced
from face_occlusion.core.images import decode_image, reduced
from face_occlusion.core.imageset import ImageSet
from face_occlusion.evaluation.counting import encode_preview
from face_occlusion.overlap.compare import Overlap
from face_occlusion.reporting.catalogue import FigureEntry
from face_occlusion.reporting.cells import CellKey
from face_occlusion.reporting.grid import Grid
from face_occlusion.reporting.inputs import ReportInputs
from face_occlusion.reporting.per_image import image_scores, pick_most_corrected
from face_occlusion.reporting.pictures import data_uri, outline_path, outlined
from face_occlusion.reporting.tables import is_meant

PAGE_SAMPLES = 12  # of each set; this and the next fill whole rows of 6, on a phone of 3
PAGE_WRONG = 6
PAGE_PAIRS = 12
FIGURE_PX = 1280  # longer side of figures inside the page
BROWSED = ("miou", "boundary_iou")  # scores that the browser sorts images by
MAX_LIST = 6  # entries of a list that are written out


def browsers(inputs: ReportInputs) -> list[dict[str, Any]]:
    """Collect the image browser's data of each benchmark with kept predictions.

    The benchmark of the figures comes first. Masks are 1-bit PNG in base64, scores in per cent;
    None where an image has none.
    """
    first = inputs.sections.report.qualitative.benchmark
    order = sorted(inputs.benchmarks, key=lambda name: name != first)
    return [data for name in order if (data := _browser_data(inputs, name))["runs"]]


def _browser_data(inputs: ReportInputs, benchmark: str) -> dict[str, Any]:
    axes, page = inputs.grid.axes, inputs.sections.report.page
    image_set = inputs.benchmarks[benchmark]
    keys = evenly_spaced(image_set.keys, page.browser_images)
    runs = []
    for combination, model in product(axes.combinations, axes.models):
        cell = CellKey(combination, benchmark, model)
        part = inputs.grid.first_part(cell)
        if part is None or not any(part.previews):
            continue
        masks = dict(zip(part.keys, part.previews, strict=True))
        runs.append(
            {
                "run": inputs.run_names[combination, model],
                "title": f"{axes.models[model]} · {axes.combinations[combination]}",
                "masks": [masks.get(key) for key in keys],
                "scores": {name: _per_cent(inputs.grid, cell, name, keys) for name in BROWSED},
            }
        )
    images = [
        {
            "key": key,
            "kind": image_set.record(key).get("occluder_kind") or "",
            "src": data_uri(reduced(image_set.image(key), page.thumbnail_px)),
            "truth": encode_preview(image_set.seg_map(key) == 1, page.thumbnail_px),
        }
        for key in (keys if runs else [])
    ]
    return {"key": benchmark, "title": axes.benchmarks[benchmark], "images": images, "runs": runs}


def _per_cent(grid: Grid, cell: CellKey, measure: str, keys: Sequence[str]) -> list[float | None]:
    scores = image_scores(grid, cell, measure)
    known = {key: round(100 * score, 2) for key, score in scores.items() if score == score}
    return [known.get(key) for key in keys]


def sheets(inputs: ReportInputs) -> Iterator[dict[str, Any]]:
    """Collect samples of every benchmark and training set, with the parameters of the set."""
    for name, image_set in inputs.inventory.sets.items():
        if name.startswith("faces/"):
            continue
        kind = "benchmark" if name.startswith("benchmarks/") else "training set"
        yield {
            "title": inputs.grid.axes.benchmarks.get(Path(name).name, image_set.info["name"]),
            "about": f"{kind} · {len(image_set):,} images",
            "absent": image_set.absent,
            "params": flat_facts(image_set.info.get("params", {})),
            "samples": samples(image_set, PAGE_SAMPLES, inputs.sections.report.page.thumbnail_px),
        }


def wrong_labels(inputs: ReportInputs) -> Iterator[dict[str, str]]:
    """Show the faces whose mask was corrected most, with the original and the corrected mask."""
    faces, side_px = inputs.inventory.sets["faces/o"], inputs.sections.report.page.thumbnail_px
    for key, share in pick_most_corrected(faces, PAGE_WRONG):
        shown = {"key": key, "share": f"{100 * share:.0f} %"}
        for name, part in (("original", "original.png"), ("corrected", "png")):
            mask = faces.seg_map(key, part) == 1
            drawn = outlined(faces.image(key), mask, inputs.colour, tint=0.3)
            shown[name] = data_uri(reduced(drawn, side_px))
        yield shown


def samples(image_set: ImageSet, number: int, side_px: int) -> list[dict[str, Any]]:
    """Show images of a set, evenly spread.

    For each: `key`, `image` (data URI), `size` (width, height in pixels), `outline` of its mask
    (SVG path in these pixels) and the `facts` of its record.
    """
    found = []
    for key in evenly_spaced(image_set.keys, number):
        image = reduced(image_set.image(key), side_px)
        size, mask = image.shape[1::-1], (image_set.seg_map(key) == 1).astype(np.float32)
        outline = outline_path(cv2.resize(mask, size) >= 0.5)
        record = image_set.record(key) if "json" in image_set.parts(key) else {}
        picture = {"key": key, "image": data_uri(image), "size": size, "outline": outline}
        found.append(picture | {"facts": flat_facts(record)})
    return found


def flat_facts(record: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Write a nested record as lines of name and value; nothing that was not drawn is shown."""
    lines: list[tuple[str, str]] = []
    for name, value in record.items():
        label = f"{prefix}{name}".replace("_", " ")
        if isinstance(value, Mapping):
            lines += flat_facts(value, f"{label}: ")
        elif value is not None:
            lines.append((label, _fact(value)))
    return lines


def _fact(value: object) -> str:
    """Write a value: three digits, short lists and matrices in full, long ones by their length."""
    if isinstance(value, float):
        return f"{value:.3g}"
    if not isinstance(value, list):
        return str(value)
    if len(value) > MAX_LIST:
        return f"{len(value)} values"
    is_matrix = any(isinstance(item, list) for item in value)
    return ("; " if is_matrix else ", ").join(_fact(item) for item in value)


def gallery(
    entries: Sequence[FigureEntry], absent: Mapping[str, str], folder: Path, dpi: int
) -> list[dict[str, Any]]:
    """Take the drawn figures of the catalogue that the page shows, and those not drawn, with why.

    For each: `title`, `caption`, and `image` (data URI) and `inches` (its width), or `absent`, why.
    """
    exhibits = []
    for entry in entries:
        title = f"Figure {entry.number}: {entry.title}" if entry.number else entry.title
        texts = {"title": title, "caption": entry.caption}
        if entry.name in absent:
            exhibits.append(texts | {"image": None, "absent": absent[entry.name]})
        elif entry.in_gallery:
            path = folder / f"{entry.name}.png"
            image = decode_image(path.read_bytes(), str(path))
            picture = data_uri(reduced(image, FIGURE_PX), quality=85)
            inches = round(image.shape[1] / dpi, 2)
            exhibits.append(texts | {"image": picture, "inches": inches, "absent": None})
    return exhibits


def closest_pictures(
    overlap: Overlap, image_sets: Mapping[str, ImageSet], side_px: int
) -> list[dict[str, str | bool]]:
    """Show the closest pairs of those image sets that are not meant to share photographs."""
    pairs = [
        (pair, one)
        for one in overlap.comparisons
        if not is_meant(one) and {one.first, one.second} <= image_sets.keys()
        for pair in one.closest
    ]
    pairs.sort(key=lambda item: item[0].bits)

    def picture(name: str, key: str) -> str:
        return data_uri(reduced(image_sets[name].image(key), side_px))

    return [
        {
            "first": picture(one.first, pair.first),
            "second": picture(one.second, pair.second),
            "title_first": f"{one.first} {pair.first}",
            "title_second": f"{one.second} {pair.second}",
            "bits": f"{pair.bits} bits",
            "suspected": pair.bits <= overlap.max_bits,
        }
        for pair, one in pairs[:PAGE_PAIRS]
    ]
