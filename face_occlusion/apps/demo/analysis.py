"""What the demo computes: masks of one or two networks, and how they cope with an occluder."""

import dataclasses
import functools
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from face_occlusion.alignment.landmarks import LandmarkDetector
from face_occlusion.apps.prediction.inputs import decode_photo
from face_occlusion.apps.prediction.predict import SHOWN_PX, overlaid, predict_image
from face_occlusion.core.images import encode_png, reduced
from face_occlusion.core.imageset import INDEX, ImageSet
from face_occlusion.cutouts import largest_piece
from face_occlusion.evaluation.inference import Segmenter
from face_occlusion.faces.labelme import labelme_content
from face_occlusion.generation.compositing import add_alpha
from face_occlusion.generation.occlusion import ClassIds, occlude
from face_occlusion.generation.params import default_params
from face_occlusion.generation.shapes import Texture
from face_occlusion.generation.store import read_occluder
from face_occlusion.miniature.held import HELD
from face_occlusion.miniature.person import person_of, picture_rng, sample_view
from face_occlusion.miniature.portraits import paint_portrait

MAX_PIXELS = 2**25  # 34 megapixels, 100 MB decoded
THRESHOLD = 0.5  # probability from which a pixel is face
OCCLUDERS = {"hand": "hands", "object": "objects", "shape": "textures"}  # folder of each
VIEWS = ("overlay", "mask", "cut-out", "confidence")
EXAMPLES = ((0, None), (1, "hand"), (5, "food"), (6, None))  # person, and what is held
EXAMPLE_PX = 256

_OCCLUDED = 2  # class id of the pixels that an occluder covers
_TRIED = 8  # occluders to choose from: one alone may fit no place
_HEAT_SHARE = 0.65  # of the colours of confidence over the photograph


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One network's view of a photograph."""

    probability: np.ndarray  # (H, W) float32 of face
    seconds: float  # for all faces together
    # With an occluder, shares of the face that the network saw without it, in [0, 1]:
    hidden_taken: float | None = None  # of the hidden part, what is still called face
    visible_lost: float | None = None  # of the visible part, what is no longer called face


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """A photograph as all networks see it."""

    name: str  # its file's
    image: np.ndarray  # (H, W, 3) uint8 RGB, with its occluder
    faces: list[np.ndarray] | None  # landmarks of those that were detected; None: not looked for
    seen: Mapping[str, Seen]  # by the network's name


class Analyser:
    """Predicts photographs by one or two networks, and occludes them by the pipeline's occluders.

    The first network decides where the face is that is occluded. Without the packages of a
    `detector` no faces are looked for.
    """

    def __init__(
        self,
        networks: Mapping[str, Segmenter],
        occluders: Path,
        detector: LandmarkDetector | None = None,
    ) -> None:
        self.networks, self.detector = networks, detector
        folders = {kind: occluders / name for kind, name in OCCLUDERS.items()}
        sets = {k: ImageSet(folder) for k, folder in folders.items() if (folder / INDEX).is_file()}
        self.occluders = {kind: image_set for kind, image_set in sets.items() if len(image_set)}
        self.analyse = functools.lru_cache(maxsize=2)(self._analyse)  # another view: no new work

    def _analyse(
        self, path: Path, *, align: bool = False, kind: str | None = None, number: int = 0
    ) -> Analysis:
        """Predict a photograph, with an occluder put before the face if a `kind` is named.

        `align` predicts each face in FFHQ's square, and another `number` takes another occluder.
        Faces are looked for before they are occluded, so that the networks see the same squares.
        A ValueError names the file that is no image, has more than 34 megapixels or no face, or
        that no occluder fits.
        """
        if kind is None:
            return self._see(path, align=align)
        before = self.analyse(path, align=align)
        first = next(iter(before.seen.values())).probability >= THRESHOLD
        if not first.any():
            raise ValueError(f"{path.name}: {next(iter(self.networks))} sees no face to occlude")
        image, covered = self._occlude(before.image, first, kind, number, path.name)
        seen = {}
        for name, after in self._predict(image, before.faces).items():
            whole = before.seen[name].probability >= THRESHOLD
            still = after.probability >= THRESHOLD
            hidden, visible = whole & covered, whole & ~covered
            seen[name] = dataclasses.replace(
                after,
                hidden_taken=float((still & hidden).sum() / max(1, hidden.sum())),
                visible_lost=float((visible & ~still).sum() / max(1, visible.sum())),
            )
        return dataclasses.replace(before, image=image, seen=seen)

    def _see(self, path: Path, *, align: bool) -> Analysis:
        name = path.name
        image = decode_photo(path.read_bytes(), Path(name), MAX_PIXELS)
        faces = self.detector.find_all(image) if align and self.detector else None
        if faces == []:
            raise ValueError(f"{name}: holds no face that dlib finds; untick 'Find the faces'")
        seen = self._predict(image, faces)
        if not any((one.probability >= THRESHOLD).any() for one in seen.values()):
            raise ValueError(f"{name}: holds no face: {' and '.join(seen)} find none")
        return Analysis(name=name, image=image, faces=faces, seen=seen)

    def _predict(self, image: np.ndarray, faces: list[np.ndarray] | None) -> dict[str, Seen]:
        seen = {}
        for name, segmenter in self.networks.items():
            start = time.perf_counter()
            probability = predict_image(segmenter, image, faces or [])
            seen[name] = Seen(probability=probability, seconds=time.perf_counter() - start)
        return seen

    def _occlude(
        self, image: np.ndarray, face: np.ndarray, kind: str, number: int, name: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the image with an occluder before the largest face, and what it covers."""
        rng, image_set = np.random.default_rng(number), self.occluders[kind]
        keys = rng.permutation(sorted(image_set.keys))[:_TRIED].tolist()
        if kind == "shape":
            items = [Texture(key, image_set.image(key)) for key in keys]
        else:
            items = [read_occluder(image_set, key) for key in keys]
        params = dataclasses.replace(default_params(OCCLUDERS[kind]), keep_background=True)
        ids = ClassIds(occluded=_OCCLUDED)
        try:
            image, seg_map, _ = occlude(image, largest_piece(face), items, rng, params, ids)
        except ValueError as error:
            raise ValueError(f"{name}: this {kind} does not fit; take another one") from error
        return image, seg_map == _OCCLUDED


def show(image: np.ndarray, probability: np.ndarray, view: str) -> np.ndarray:
    """Draw a view of a prediction, of at most `SHOWN_PX`.

    `image` is (H, W, 3) uint8 RGB and so is the view, but for the cut-out, which is RGBA with
    straight alpha. Colours of confidence run from violet, background, to yellow, face.
    """
    shown = reduced(image, SHOWN_PX)
    face = probability >= THRESHOLD
    if view == "overlay":
        return overlaid(shown, face)
    if view == "confidence":
        small = cv2.resize(probability, shown.shape[1::-1], interpolation=cv2.INTER_AREA)
        heat = cv2.applyColorMap(np.rint(small * 255).astype(np.uint8), cv2.COLORMAP_VIRIDIS)
        return cv2.addWeighted(heat[..., ::-1], _HEAT_SHARE, shown, 1 - _HEAT_SHARE, 0)
    alpha = reduced(face * np.uint8(255), SHOWN_PX)
    return add_alpha(shown, alpha) if view == "cut-out" else np.repeat(alpha[..., None], 3, axis=2)


def write_files(analysis: Analysis, folder: Path) -> list[Path]:
    """Write of each network the mask, the cut-out and the LabelMe file, in the photo's size.

    A photograph with an occluder is written too: the LabelMe files refer to it.
    """
    stem, photo = Path(analysis.name).stem, analysis.name
    files = {}
    if any(one.hidden_taken is not None for one in analysis.seen.values()):
        photo = f"{stem}_occluded.png"
        files[photo] = encode_png(analysis.image)
    for name, seen in analysis.seen.items():
        mask = (seen.probability >= THRESHOLD) * np.uint8(255)
        content = labelme_content(photo, seen.probability, threshold=THRESHOLD)
        files[f"{stem}_{name}_mask.png"] = encode_png(mask)
        files[f"{stem}_{name}_cutout.png"] = encode_png(add_alpha(analysis.image, mask))
        files[f"{stem}_{name}.json"] = f"{json.dumps(content, indent=1)}\n".encode()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in files]


def draw_examples(folder: Path) -> list[Path]:
    """Let the miniature draw faces, some with something before them; return the PNG files."""
    paths = []
    for identity, held in EXAMPLES:
        person, rng = person_of(identity, seed=7), picture_rng(identity, picture=0, seed=7)
        view = sample_view(rng, person)
        portrait = paint_portrait(person, view, (EXAMPLE_PX, EXAMPLE_PX), rng)
        if held:
            HELD[held](portrait, rng)
        paths.append(folder / f"drawn_{identity}.png")
        paths[-1].write_bytes(encode_png(portrait.photograph(rng)))
    return paths
