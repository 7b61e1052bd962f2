"""Predict photographs one after the other: masks, LabelMe files, overlays and a page."""

from __future__ import annotations

import csv
import json
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from face_occlusion.apps.prediction.faces_in_photos import AlignedSegmenter
from face_occlusion.apps.prediction.journal import Journal
from face_occlusion.apps.prediction.page import write_page
from face_occlusion.apps.prediction.photos import Photo, Predicted, reason_not_read
from face_occlusion.core.images import decode_image, encode_jpeg, encode_png
from face_occlusion.core.outlines import labelme_content
from face_occlusion.core.writing import file_aside, write_aside
from face_occlusion.evaluation.inference import Segmenter
from face_occlusion.reporting.pictures import outlined, reduced

SHOWN_PX = 1024  # longer side of overlays and of the photographs beside them
_AHEAD = 4  # photographs decoded ahead of the network
_LINE_RGB = (240, 160, 40)
_TINT = 0.35


@dataclass(frozen=True, kw_only=True)
class PredictOptions:
    """How to predict.

    Attributes:
        threshold: Probability from which a pixel is face, in (0, 1).
        tta: See `Segmenter.predict`.
        aligned: Finds the faces and predicts their aligned squares; None sees photos whole.
        network: What tells the network from others: an interrupted prediction goes on with the
            same one only.
    """

    threshold: float = 0.5
    tta: bool = False
    aligned: AlignedSegmenter | None = None
    network: str = ""

    def __post_init__(self) -> None:
        if not 0 < self.threshold < 1:
            raise ValueError(f"threshold must lie inside (0, 1); got {self.threshold:g}")


def predict_photos(
    segmenter: Segmenter, photos: Sequence[Photo], out: Path, options: PredictOptions
) -> list[Predicted]:
    """Predict photographs of any sizes, streamed: memory does not grow with their number.

    Writes below `out`, each file aside and renamed, NAME being the photo's:

    - `masks/NAME.png`: face 255, background 0, in the photo's size (as its EXIF turns it);
    - `labelme/NAME.json`: the same as polygons, for LabelMe;
    - `overlays/NAME.jpg` and `photos/NAME.jpg`: what the page shows, up to 1,024 pixels;
    - `predictions.csv` and `index.html`: all of them, and what could not be read.

    A photo that cannot be read does not stop the others. Where it was interrupted, the same call
    goes on: see `Journal`.

    Returns:
        Per photo what became of it, in order.

    Raises:
        ValueError: If `out` is in use, or was begun in another way.
    """
    journal = Journal(out, _settings(options))
    done = journal.begin(photos)
    waiting = [photo for photo in photos if photo not in done]
    bar = tqdm(desc="predict", total=len(photos), initial=len(done), mininterval=0.5)
    with bar:
        for photo, image in _read_ahead(waiting):
            done[photo] = _predict_one(segmenter, photo, image, out, options)
            journal.add(done[photo])
            bar.update()
    results = [done[photo] for photo in photos]
    _write_table(out / "predictions.csv", results)
    how = segmenter.describe(tta=options.tta)
    write_page(out / "index.html", results, {**how, "aligned": options.aligned is not None})
    journal.end()
    return results


def _settings(options: PredictOptions) -> dict[str, object]:
    """Say what predictions depend on beside the photographs."""
    return {
        "network": options.network,
        "threshold": options.threshold,
        "tta": options.tta,
        "align": options.aligned is not None,
    }


def _read_ahead(photos: Sequence[Photo]) -> Iterator[tuple[Photo, np.ndarray | ValueError]]:
    """Yield each photo with its pixels, or with why they cannot be had."""
    with ThreadPoolExecutor(2) as readers:
        waiting: deque[tuple[Photo, Future[np.ndarray | ValueError]]] = deque()
        for photo in photos:
            waiting.append((photo, readers.submit(_read, photo.path)))
            if len(waiting) > _AHEAD:
                first, read = waiting.popleft()
                yield first, read.result()
        for photo, read in waiting:
            yield photo, read.result()


def _read(path: Path) -> np.ndarray | ValueError:
    try:
        data = path.read_bytes()
        if reason := reason_not_read(path, data):
            return ValueError(reason)
        return decode_image(data, str(path))
    except OSError as error:
        return ValueError(f"{path}: {error.strerror}")
    except ValueError as error:
        return error


def _predict_one(
    segmenter: Segmenter,
    photo: Photo,
    image: np.ndarray | ValueError,
    out: Path,
    options: PredictOptions,
) -> Predicted:
    if isinstance(image, ValueError):
        return Predicted(photo=photo, error=str(image))
    faces = options.aligned.find(image) if options.aligned else []
    if options.aligned and faces:
        seen = f"aligned, {len(faces)} face{'s' if len(faces) > 1 else ''}"
        probability = options.aligned.predict(faces, image.shape[:2], tta=options.tta)
    else:
        seen = "whole, no face found" if options.aligned else "whole"
        probability = segmenter.predict(image, tta=options.tta)
    _write_prediction(photo, image, probability, out, options.threshold)
    face = probability >= options.threshold
    height, width = face.shape
    return Predicted(photo=photo, size=(height, width), face_frac=float(face.mean()), seen=seen)


def _write_prediction(
    photo: Photo, image: np.ndarray, probability: np.ndarray, out: Path, threshold: float
) -> None:
    face = probability >= threshold
    write_aside(out / f"masks/{photo.name}.png", encode_png(face.astype(np.uint8) * np.uint8(255)))
    labelme = out / f"labelme/{photo.name}.json"
    back = Path(os.path.relpath(photo.path.resolve(), labelme.parent.resolve())).as_posix()
    content = labelme_content(back, probability, threshold=threshold)
    write_aside(labelme, f"{json.dumps(content, indent=1)}\n".encode())
    shown = reduced(image, SHOWN_PX)
    rows = np.linspace(0, len(face) - 1, shown.shape[0]).round().astype(int)
    columns = np.linspace(0, face.shape[1] - 1, shown.shape[1]).round().astype(int)
    overlay = outlined(shown, face[np.ix_(rows, columns)], _LINE_RGB, tint=_TINT)
    write_aside(out / f"overlays/{photo.name}.jpg", encode_jpeg(overlay, 88))
    write_aside(out / f"photos/{photo.name}.jpg", encode_jpeg(shown, 88))


def _write_table(path: Path, results: Sequence[Predicted]) -> None:
    with file_aside(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["name", "photo", "height", "width", "face_frac", "seen", "error"])
        for result in results:
            height, width = result.size or ("", "")
            share = f"{result.face_frac:.4f}" if result.size else ""
            row = [result.photo.name, result.photo.path, height, width, share, result.seen]
            table.writerow([*row, result.error or ""])
