"""The page's image browser: images, truths and the kept predictions of every run."""

from __future__ import annotations

from itertools import product
from typing import Any

from face_occlusion.core.imageset import ImageSet
from face_occlusion.evaluation.previews import encode_preview
from face_occlusion.reporting.grid import Grid
from face_occlusion.reporting.kept import image_scores, run_name, scored_part
from face_occlusion.reporting.paper import Place
from face_occlusion.reporting.picks import spread
from face_occlusion.reporting.pictures import data_uri, reduced


def browser_data(
    grid: Grid, image_set: ImageSet, benchmark: str, number: int, side_px: int
) -> dict[str, Any]:
    """Collect images, truths and kept predictions of one benchmark.

    Args:
        grid: All results.
        image_set: The benchmark's images.
        benchmark: Its name.
        number: Images, evenly spread over the set.
        side_px: Longer side of the images.

    Returns:
        `key`, `title`; `images`: key, kind, src, truth; `runs`: name, title, per image its mask and
        mIoU in per cent, None where neither was kept. Masks are 1-bit PNG in base64. No runs if
        no run has kept a prediction.
    """
    keys = spread(image_set.keys, number)
    runs = []
    for combination, model in product(grid.axes.combinations, grid.axes.models):
        place = Place(combination, benchmark, model)
        part, scores = scored_part(grid, place), image_scores(grid, place)
        if part is None or not any(part.previews):
            continue
        masks = dict(zip(part.keys, part.previews, strict=True))
        runs.append(
            {
                "run": run_name(grid, place),
                "title": f"{grid.axes.models[model]} · {grid.axes.combinations[combination]}",
                "masks": [masks.get(key) for key in keys],
                "scores": [_per_cent(scores.get(key)) for key in keys],
            }
        )
    images = [_image(image_set, key, side_px) for key in keys] if runs else []
    title = grid.axes.benchmarks[benchmark]
    return {"key": benchmark, "title": title, "images": images, "runs": runs}


def _image(image_set: ImageSet, key: str, side_px: int) -> dict[str, str]:
    return {
        "key": key,
        "kind": image_set.record(key).get("occluder_kind") or "",
        "src": data_uri(reduced(image_set.image(key), side_px)),
        "truth": encode_preview(image_set.seg_map(key) == 1, side_px),
    }


def _per_cent(score: float | None) -> float | None:
    return None if score is None or score != score else round(100 * score, 2)
