"""Predict photographs one after the other: masks, LabelMe files, overlays and a page."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from tqdm import tqdm

from face_occlusion.alignment.alignment import align
from face_occlusion.alignment.landmarks import LandmarkDetector
from face_occlusion.apps.folders import files_by_stem, read_image, viewable
from face_occlusion.apps.pages import PageFace, correction_page, write_runs
from face_occlusion.apps.prediction import inputs
from face_occlusion.core.classes import coverage
from face_occlusion.core.files import atomic_path, atomic_write, describe
from face_occlusion.core.images import encode_jpeg, reduced
from face_occlusion.core.parallel import prefetch
from face_occlusion.evaluation.inference import Segmenter, load_model
from face_occlusion.faces.labelme import labelme_content
from face_occlusion.reporting.pictures import outlined

SHOWN_PX = 1024  # longer side of the page's pictures
_PREFETCH = 4  # photographs decoded before the network needs them
_LINE_RGB = (240, 160, 40)
_OTHER_RGB = (0, 90, 190)
BATCH = 8  # faces of a photograph that are predicted at a time
_TINT = 0.35
_UNSURE = 0.3  # a probability this close to 0.5 is unsure
_ORDERS = {  # of the page: title, and whether the highest comes first
    "given": ("order given", False),
    "unsure": ("how unsure the network is", True),
    "face": ("share of face, smallest first", False),
}


def predict_image(
    segmenter: Segmenter, image: np.ndarray, faces: Sequence[np.ndarray], *, tta: bool = False
) -> np.ndarray:
    """Predict an image whole, or each of its faces in the square that FFHQ would cut out.

    Networks trained on aligned faces expect one that fills the image; in a photograph with much
    around the face they see it too small. `image` is (H, W, 3) uint8 RGB; `faces` are (N, 2)
    landmarks of each, see `LandmarkDetector`. The result is the (H, W) float32 probability of face
    in [0, 1]: 0 outside the squares of the faces, the higher one where squares overlap.
    """
    if not faces:
        return segmenter.predict(image, tta=tta)
    probability = np.zeros(image.shape[:2], np.float32)
    for start in range(0, len(faces), BATCH):
        group = faces[start : start + BATCH]
        aligned = [align(image, points, segmenter.input_px) for points in group]
        predicted = segmenter.predict_batch([face.image for face in aligned], tta=tta)
        for values, face in zip(predicted, aligned, strict=True):
            back = cv2.warpAffine(values, face.to_photograph, image.shape[1::-1])  # 0 outside
            np.maximum(probability, back, out=probability)
    return probability


def predict_masks(run: Path, images: Path, out: Path) -> str:
    """Write `out/STEM.png`, face 255 and background 0, for each image of a folder, seen whole.

    Returns the run and its checkpoint, for records. A ValueError names the run that is missing, or
    the image that is unreadable or in which no face is found.
    """
    files, folder = files_by_stem(images), inputs.run_folder(run)
    segmenter = load_model(folder, "auto", "last")
    out.mkdir(parents=True)
    for stem, path in tqdm(files.items(), desc=f"find the faces in {images.name}"):
        face = segmenter.predict(read_image(path)) >= PredictOptions.threshold
        if not face.any():
            raise ValueError(f"{path}: {folder.name} finds no face in it; take it out of {images}")
        (out / f"{stem}.png").write_bytes(viewable(face))
    return f"predicted by {inputs.identify(folder, 'last')}"


@dataclass(frozen=True, kw_only=True)
class PredictOptions:
    """How to predict."""

    threshold: float = 0.5  # probability from which a pixel is face, in (0, 1)
    tta: bool = False  # see `Segmenter.predict`
    detector: LandmarkDetector | None = None  # finds faces to align; None: photographs whole
    other: Segmenter | None = None  # a second network to compare with
    networks: Sequence[str] = ()  # identify one or both: only the same ones resume a prediction
    note: str = ""  # what to know of the networks, for the page

    def __post_init__(self) -> None:
        if not 0 < self.threshold < 1:
            raise ValueError(f"threshold must lie inside (0, 1); got {self.threshold:g}")


def predict_photos(
    segmenter: Segmenter, photos: Sequence[inputs.Photo], out: Path, options: PredictOptions
) -> list[inputs.Predicted]:
    """Predict photographs of any sizes as a stream: memory does not grow with their number.

    Writes below `out`, each file atomically, NAME being the photo's:

    - `masks/NAME.png`: face 255, background 0, in the photo's size (as its EXIF turns it);
    - `labelme/NAME.json`: the same as polygons, for LabelMe;
    - `overlays/NAME.jpg`, `photos/NAME.jpg` (up to 1,024 pixels) and `runs/NAME.js`: for the page;
    - `masks_other/NAME.png`: the mask of a second network; the overlay outlines it in blue;
    - `predictions.csv` and `index.html`: all of them, and what could not be read; the page
      corrects masks.

    A photo that cannot be read does not stop the others. After an interruption the same call
    resumes: see `Journal`, also for errors. Returns the result of each photo, in order.
    """
    settings = {
        "network": " and ".join(options.networks),
        "threshold": options.threshold,
        "tta": options.tta,
        "align": options.detector is not None,
    }
    journal = inputs.Journal(out, settings)
    done = journal.begin(photos)
    waiting = [photo for photo in photos if photo not in done]
    with tqdm(desc="predict", total=len(photos), initial=len(done), mininterval=0.5) as bar:
        images = prefetch(_read, waiting, threads=2, ahead=_PREFETCH)
        for photo, image in zip(waiting, images, strict=True):
            done[photo] = _predict_one(segmenter, photo, image, out, options)
            journal.add(done[photo])
            bar.update()
    results = [done[photo] for photo in photos]
    with atomic_path(out / "predictions.csv") as partial:
        form = {"index": False, "float_format": "%.4f", "lineterminator": "\n"}
        table = pd.DataFrame(map(_row, results))
        table.to_csv(partial, errors="backslashreplace", **form)
    differ = {"differ": ("where the networks differ most", True)} if options.other else {}
    page = correction_page(
        "predictions.html",
        out,
        "photographs",
        [_page_face(place, result) for place, result in enumerate(results) if result.size],
        _ORDERS | differ,
        failed=[result for result in results if result.error],
        how={**segmenter.describe(tta=options.tta), "aligned": options.detector is not None},
        options=options,
    )
    atomic_write(out / "index.html", page)
    journal.end()
    return results


def _read(photo: inputs.Photo) -> np.ndarray | ValueError:
    """Return the pixels of a photo, or the error that reading it gave."""
    try:
        return inputs.decode_photo(photo.path.read_bytes(), photo.path)
    except (OSError, ValueError) as error:
        return ValueError(describe(error))


def _predict_one(
    segmenter: Segmenter,
    photo: inputs.Photo,
    image: np.ndarray | ValueError,
    out: Path,
    options: PredictOptions,
) -> inputs.Predicted:
    """Predict one photograph and write its files, or return the error that reading it gave."""
    if isinstance(image, ValueError):
        return inputs.Predicted(photo=photo, error=str(image))
    faces = options.detector.find_all(image) if options.detector else []
    seen = f"aligned, {len(faces)} face{'s' if len(faces) > 1 else ''}" if faces else "whole"
    if options.detector and not faces:
        seen = "whole, no face found"
    shown = reduced(image, SHOWN_PX)
    probability = predict_image(segmenter, image, faces, tta=options.tta)
    face = probability >= options.threshold
    atomic_write(out / f"masks/{photo.name}.png", viewable(face))
    write_runs(out, str(photo.name), face.astype(np.uint8))
    labelme = out / f"labelme/{photo.name}.json"
    back = Path(os.path.relpath(photo.path.resolve(), labelme.parent.resolve())).as_posix()
    content = labelme_content(back, probability, threshold=options.threshold)
    atomic_write(labelme, f"{json.dumps(content, indent=1)}\n".encode())
    overlay, agreement = overlaid(shown, face), None
    if options.other:
        other = predict_image(options.other, image, faces, tta=options.tta) >= options.threshold
        atomic_write(out / f"masks_other/{photo.name}.png", viewable(other))
        overlay = outlined(overlay, coverage(other, shown.shape[:2]) >= 0.5, _OTHER_RGB)
        agreement = float((other == face).mean())
    atomic_write(out / f"overlays/{photo.name}.jpg", encode_jpeg(overlay, 88))
    atomic_write(out / f"photos/{photo.name}.jpg", encode_jpeg(shown, 88))
    height, width = face.shape
    return inputs.Predicted(
        photo=photo,
        size=(height, width),
        face_frac=float(face.mean()),
        unsure_frac=float((np.abs(probability - 0.5) < _UNSURE).mean()),
        agreement=agreement,
        seen=seen,
    )


def overlaid(shown: np.ndarray, face: np.ndarray) -> np.ndarray:
    """Outline and tint the face on a picture, (h, w, 3) uint8 RGB, left unchanged.

    `face` is (H, W) bool, of the picture's size or larger.
    """
    return outlined(shown, coverage(face, shown.shape[:2]) >= 0.5, _LINE_RGB, tint=_TINT)


def _page_face(place: int, result: inputs.Predicted) -> PageFace:
    name, (height, width) = str(result.photo.name), result.size or (0, 0)
    face, unsure = result.face_frac, result.unsure_frac
    same = 1.0 if result.agreement is None else result.agreement
    agreed = "" if result.agreement is None else f", networks agree on {100 * same:.1f} %"
    return PageFace(
        name=name,
        file=f"{name}{result.photo.path.suffix}",
        image=f"photos/{name}.jpg",
        thumb=f"overlays/{name}.jpg",
        link=f"masks/{name}.png",
        link_text=f"mask of {name}",
        size=(height, width),
        title=name,
        text=f"{width} × {height} px, {100 * face:.1f} % face, the network unsure of "
        f"{100 * unsure:.1f} %, seen {result.seen}{agreed}",
        order={"given": place, "unsure": unsure, "face": face, "differ": 1 - same},
    )


def _row(result: inputs.Predicted) -> dict[str, object]:
    """Return a photograph's row of the table."""
    height, width = result.size or ("", "")
    return {
        "name": result.photo.name,
        "photo": result.photo.path,
        "height": height,
        "width": width,
        "face_frac": result.face_frac if result.size else None,
        "agreement": result.agreement,
        "seen": result.seen,
        "error": result.error,
    }
