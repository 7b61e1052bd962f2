"""Predict photographs one after the other: masks, LabelMe files, overlays and a page."""

import csv
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import cv2
import numpy as np
from tqdm import tqdm

from face_occlusion.alignment.alignment import Aligned, align
from face_occlusion.alignment.landmarks import LandmarkDetector
from face_occlusion.apps.pages import PageFace, correction_page, write_runs
from face_occlusion.apps.prediction.inputs import Journal, Photo, Predicted, reason_not_read
from face_occlusion.core.files import atomic_path, atomic_write
from face_occlusion.core.images import decode_image, encode_jpeg, encode_png
from face_occlusion.core.parallel import prefetch
from face_occlusion.evaluation.inference import Segmenter
from face_occlusion.faces.labelme import labelme_content
from face_occlusion.reporting.pictures import outlined, reduced

SHOWN_PX = 1024  # longer side of the page's pictures
_PREFETCH = 4  # photographs decoded before the network needs them
_LINE_RGB = (240, 160, 40)
_TINT = 0.35
_UNSURE = 0.3  # a probability this close to 0.5 is unsure
_ORDERS = {  # of the page: title, and whether the highest comes first
    "given": ("order given", False),
    "unsure": ("how unsure the network is", True),
    "face": ("share of face, smallest first", False),
}


class AlignedSegmenter:
    """A segmenter that detects faces and predicts each in the square that FFHQ would cut out.

    Networks trained on aligned faces expect one that fills the image; in a photograph with much
    around the face they see it too small. Squares of side `size_px` are predicted.

    Raises:
        ValueError: If the packages of the extra `align` are missing.
    """

    def __init__(self, segmenter: Segmenter, size_px: int) -> None:
        self.segmenter = segmenter
        self.size_px = size_px
        self.detector = LandmarkDetector()

    def find(self, image: np.ndarray) -> list[Aligned]:
        """Cut the faces out of an (H, W, 3) uint8 RGB image, the largest first."""
        return [align(image, points, self.size_px) for points in self.detector.find_all(image)]

    def predict(
        self, faces: Sequence[Aligned], size: tuple[int, ...], *, tta: bool = False
    ) -> np.ndarray:
        """Return the probability of face over the photograph, (height, width) float32 in [0, 1].

        It is 0 outside the squares of the faces; where squares overlap the higher one is taken.
        """
        probability = np.zeros(size, np.float32)
        predicted = self.segmenter.predict_batch([face.image for face in faces], tta=tta)
        for values, face in zip(predicted, faces, strict=True):
            np.maximum(probability, unalign(values, face, size), out=probability)
        return probability


def unalign(values: np.ndarray, aligned: Aligned, size: tuple[int, ...]) -> np.ndarray:
    """Bring an (S, S) float32 map over an aligned face back to its photograph of `size`.

    It is interpolated linearly, and 0 outside the square.
    """
    return cv2.warpAffine(values, aligned.to_photograph, (size[1], size[0]))


@dataclass(frozen=True, kw_only=True)
class PredictOptions:
    """How to predict."""

    threshold: float = 0.5  # probability from which a pixel is face, in (0, 1)
    tta: bool = False  # see `Segmenter.predict`
    # Detects the faces and predicts their squares; None predicts photographs whole.
    aligned: AlignedSegmenter | None = None
    network: str = ""  # identifies the network: only the same one resumes an interrupted prediction

    def __post_init__(self) -> None:
        if not 0 < self.threshold < 1:
            raise ValueError(f"threshold must lie inside (0, 1); got {self.threshold:g}")


def predict_photos(
    segmenter: Segmenter, photos: Sequence[Photo], out: Path, options: PredictOptions
) -> list[Predicted]:
    """Predict photographs of any sizes as a stream: memory does not grow with their number.

    Writes below `out`, each file atomically, NAME being the photo's:

    - `masks/NAME.png`: face 255, background 0, in the photo's size (as its EXIF turns it);
    - `labelme/NAME.json`: the same as polygons, for LabelMe;
    - `overlays/NAME.jpg`, `photos/NAME.jpg` (up to 1,024 pixels) and `runs/NAME.js`: for the page;
    - `predictions.csv` and `index.html`: all of them, and what could not be read; the page
      corrects masks.

    A photo that cannot be read does not stop the others. After an interruption the same call
    resumes: see `Journal`. Returns the result of each photo, in order.

    Raises:
        ValueError: If `out` is in use, or was begun with other settings.
    """
    settings = {
        "network": options.network,
        "threshold": options.threshold,
        "tta": options.tta,
        "align": options.aligned is not None,
    }
    journal = Journal(out, settings)
    done = journal.begin(photos)
    waiting = [photo for photo in photos if photo not in done]
    with tqdm(desc="predict", total=len(photos), initial=len(done), mininterval=0.5) as bar:
        images = prefetch(_read, waiting, threads=2, ahead=_PREFETCH)
        for photo, image in zip(waiting, images, strict=True):
            done[photo] = _predict_one(segmenter, photo, image, out, options)
            journal.add(done[photo])
            bar.update()
    results = [done[photo] for photo in photos]
    _write_table(out / "predictions.csv", results)
    page = correction_page(
        "predictions.html",
        out,
        "photographs",
        [_page_face(place, result) for place, result in enumerate(results) if result.size],
        _ORDERS,
        failed=[result for result in results if result.error],
        how={**segmenter.describe(tta=options.tta), "aligned": options.aligned is not None},
    )
    atomic_write(out / "index.html", page)
    journal.end()
    return results


def _read(photo: Photo) -> np.ndarray | ValueError:
    """Return the pixels of a photo, or the error that reading it gave."""
    path = photo.path
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
    """Predict one photograph and write its files, or return the error that reading it gave."""
    if isinstance(image, ValueError):
        return Predicted(photo=photo, error=str(image))
    faces = options.aligned.find(image) if options.aligned else []
    if options.aligned and faces:
        seen = f"aligned, {len(faces)} face{'s' if len(faces) > 1 else ''}"
        probability = options.aligned.predict(faces, image.shape[:2], tta=options.tta)
    else:
        seen = "whole, no face found" if options.aligned else "whole"
        probability = segmenter.predict(image, tta=options.tta)
    face = probability >= options.threshold
    atomic_write(out / f"masks/{photo.name}.png", encode_png(face.astype(np.uint8) * np.uint8(255)))
    write_runs(out, str(photo.name), face.astype(np.uint8))
    labelme = out / f"labelme/{photo.name}.json"
    back = Path(os.path.relpath(photo.path.resolve(), labelme.parent.resolve())).as_posix()
    content = labelme_content(back, probability, threshold=options.threshold)
    atomic_write(labelme, f"{json.dumps(content, indent=1)}\n".encode())
    shown = reduced(image, SHOWN_PX)
    rows = np.linspace(0, len(face) - 1, shown.shape[0]).round().astype(int)
    columns = np.linspace(0, face.shape[1] - 1, shown.shape[1]).round().astype(int)
    overlay = outlined(shown, face[np.ix_(rows, columns)], _LINE_RGB, tint=_TINT)
    atomic_write(out / f"overlays/{photo.name}.jpg", encode_jpeg(overlay, 88))
    atomic_write(out / f"photos/{photo.name}.jpg", encode_jpeg(shown, 88))
    height, width = face.shape
    return Predicted(
        photo=photo,
        size=(height, width),
        face_frac=float(face.mean()),
        unsure_frac=float((np.abs(probability - 0.5) < _UNSURE).mean()),
        seen=seen,
    )


def _page_face(place: int, result: Predicted) -> PageFace:
    name, (height, width) = str(result.photo.name), result.size or (0, 0)
    return PageFace(
        name=name,
        file_name=f"{name}{result.photo.path.suffix}",
        image=f"photos/{name}.jpg",
        thumb=f"overlays/{name}.jpg",
        link=(f"masks/{name}.png", f"mask of {name}"),
        size=(height, width),
        title=name,
        text=f"{width} × {height} px, {100 * result.face_frac:.1f} % face, the network unsure of "
        f"{100 * result.unsure_frac:.1f} %, seen {result.seen}",
        orders={"given": place, "unsure": result.unsure_frac, "face": result.face_frac},
    )


def _open_table(path: Path) -> TextIO:
    return path.open("w", newline="", encoding="utf-8", errors="backslashreplace")


def _write_table(path: Path, results: Sequence[Predicted]) -> None:
    with atomic_path(path) as partial, _open_table(partial) as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["name", "photo", "height", "width", "face_frac", "seen", "error"])
        for result in results:
            height, width = result.size or ("", "")
            share = f"{result.face_frac:.4f}" if result.size else ""
            row = [result.photo.name, result.photo.path, height, width, share, result.seen]
            table.writerow([*row, result.error or ""])
