"""The page of a folder of predictions: each photograph beside what was predicted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from face_occlusion.apps.viewing.pages import page_template
from face_occlusion.core.writing import write_aside

if TYPE_CHECKING:
    from face_occlusion.apps.prediction.photos import Predicted


def write_page(path: Path, results: Sequence[Predicted], how: Mapping[str, object]) -> None:
    """Write `index.html`, which shows the files beside it and asks no network for anything.

    Args:
        path: The page; written aside and renamed.
        results: What became of each photograph.
        how: How images were seen, as `Segmenter.describe` says.
    """
    page = page_template("face_occlusion.apps.prediction", "predictions.html").render(
        done=[result for result in results if result.size],
        failed=[result for result in results if result.error],
        how=how,
    )
    write_aside(path, page)
