"""Landmarks of faces: found by dlib, given by hand, and the four points that alignment needs.

Points are (x, y) in pixels; the centre of the first pixel is (0, 0). Left and right are as seen
in the image.
"""

import csv
import importlib
import importlib.util
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from face_occlusion.core.files import errors_name, package_folder, read_json
from face_occlusion.core.images import reduced

_POINTS = ("left_eye", "right_eye", "left_mouth", "right_mouth")
COLUMNS = ("name", *(f"{point}_{axis}" for point in _POINTS for axis in "xy"))
_DETECT_PX = 1600  # the longer side at which faces are looked for in photographs of any size
_MODEL = Path("models") / "shape_predictor_68_face_landmarks.dat"


def points_of(landmarks: np.ndarray) -> np.ndarray:
    """Reduce landmarks of a known layout to the four points that FFHQ uses.

    Landmarks are (N, 2) pixels. N is 4 (both eyes, both corners of the mouth), 5 (both eyes, nose,
    both corners of the mouth, as MTCNN and RetinaFace give them), 29 (COFW: its points 17 and 18
    are the pupils, 23 and 24 the corners of the mouth, counted from 1; Burgos-Artizzu, Perona and
    Dollár, ICCV 2013) or 68 (iBUG 300-W, as dlib gives them: an eye is the mean of its six points).
    Another number, or one that is not finite, is a ValueError.

    Returns (4, 2): left eye, right eye, left and right corner of the mouth.
    """
    landmarks = np.asarray(landmarks, dtype=float)
    if landmarks.shape not in ((4, 2), (5, 2), (29, 2), (68, 2)):
        raise ValueError(f"4, 5, 29 or 68 landmarks (x, y) expected; got shape {landmarks.shape}")
    if not np.isfinite(landmarks).all():
        raise ValueError("landmarks must be finite numbers")
    if len(landmarks) == 68:
        eyes = landmarks[36:42].mean(axis=0), landmarks[42:48].mean(axis=0)
        return np.array([*eyes, landmarks[48], landmarks[54]])
    rows = {4: [0, 1, 2, 3], 5: [0, 1, 3, 4], 29: [16, 17, 22, 23]}[len(landmarks)]
    return landmarks[rows]


def read_landmarks(path: Path) -> dict[str, np.ndarray]:
    """Read landmarks given by hand: name without folder and ending -> (4, 2) points.

    There are two formats, distinguished by the file's ending:

    - CSV with the columns `name`, `left_eye_x`, `left_eye_y`, `right_eye_x`, `right_eye_y`,
      `left_mouth_x`, `left_mouth_y`, `right_mouth_x`, `right_mouth_y`;
    - JSON: `{"name": [[x, y], ...], ...}` with 4, 5, 29 or 68 points, see `points_of`.

    A file in neither format, and wrong points, are a ValueError that names the file and the image.
    """
    rows = read_json(path).items() if path.suffix.lower() == ".json" else _read_csv(path)
    found: dict[str, np.ndarray] = {}
    for name, points in rows:
        stem = Path(name).stem
        if stem in found:
            raise ValueError(f"{path}: two entries for '{stem}'")
        with errors_name(f"{path}: '{name}'", TypeError, ValueError):
            found[stem] = points_of(np.array(points, dtype=float))
    return found


def _read_csv(path: Path) -> list[tuple[str, Any]]:
    """Return name and four points (x, y), as text, of each row."""
    kinds = (UnicodeDecodeError, csv.Error)
    with errors_name(path, *kinds), path.open(newline="", encoding="utf-8-sig") as file:
        table = csv.DictReader(file)
        if missing := [name for name in COLUMNS if name not in (table.fieldnames or ())]:
            raise ValueError(f"{path}: no column {', '.join(missing)}")
        rows = [[row[column] for column in COLUMNS] for row in table]
    return [(name, list(zip(values[::2], values[1::2], strict=True))) for name, *values in rows]


class LandmarkDetector:
    """dlib's frontal face detector and 68 landmarks, as FFHQ used them.

    Optional: needs the packages of the extra `align` (`dlib-bin`, `face_recognition_models`);
    without them a ValueError says how to install them. Picklable; each process loads the model
    once.
    """

    def __init__(self) -> None:
        for module in ("dlib", "face_recognition_models"):
            if importlib.util.find_spec(module) is None:
                raise ValueError(
                    f"landmarks: 'dlib' needs the package {module}; install it with "
                    "pip install 'face-occlusion[align]'"
                )

    def __getstate__(self) -> dict[str, Any]:
        return {}

    @cached_property
    def _dlib(self) -> tuple[Any, Any]:
        # found by path: importing face_recognition_models needs setuptools' old pkg_resources
        model = package_folder("face_recognition_models") / _MODEL
        if not model.is_file():
            raise ValueError(f"landmarks: no {model}")
        dlib = importlib.import_module("dlib")
        return dlib.get_frontal_face_detector(), dlib.shape_predictor(str(model))

    def find(self, image: np.ndarray, face: np.ndarray) -> np.ndarray | None:
        """Find the landmarks of the face that a mask shows: (68, 2) float pixels of an RGB image.

        Of several detections, the one that overlaps the (H, W) bool mask most is taken; None if
        none does.
        """
        detector, predictor = self._dlib
        boxes = list(detector(image, 1))  # doubled in size once, for small faces
        overlaps = [_overlap(face, box) for box in boxes]
        if not overlaps or max(overlaps) == 0:
            return None
        shape = predictor(image, boxes[int(np.argmax(overlaps))])
        return np.array([(point.x, point.y) for point in shape.parts()], dtype=float)

    def find_all(self, image: np.ndarray) -> list[np.ndarray]:
        """Find each face's landmarks in an RGB photograph, (68, 2) float, largest first."""
        detector, predictor = self._dlib
        scale = min(1.0, _DETECT_PX / max(image.shape[:2]))
        small = reduced(image, _DETECT_PX)
        boxes = sorted(detector(small, 1), key=lambda box: -box.area())
        shapes = (predictor(small, box) for box in boxes)
        return [
            np.array([(point.x + 0.5, point.y + 0.5) for point in shape.parts()]) / scale - 0.5
            for shape in shapes
        ]


def _overlap(face: np.ndarray, box: Any) -> float:
    """Return the intersection over union of a face mask and a detection's box."""
    rows = slice(max(0, box.top()), max(0, box.bottom() + 1))
    columns = slice(max(0, box.left()), max(0, box.right() + 1))
    both = int(face[rows, columns].sum())
    return both / max(1, int(face.sum()) + box.area() - both)
