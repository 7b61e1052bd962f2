"""Miniatures of the releases with occluders: 11k Hands, DTD and COCO."""

import functools
import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from face_occlusion.core.images import encode_jpeg, encode_png
from face_occlusion.core.params import read_yaml
from face_occlusion.miniature import archives
from face_occlusion.miniature.archives import MiniatureParams, draw_all
from face_occlusion.miniature.backdrops import TEXTURES, paint_background, paint_texture
from face_occlusion.miniature.canvas import SUPERSAMPLE, Canvas, coverage, photograph
from face_occlusion.miniature.fields import Rng, Shape, Spot
from face_occlusion.miniature.hands import Hand, HandPainter, HandPlace, sample_hand
from face_occlusion.miniature.light import STUDIO, sample_light
from face_occlusion.miniature.objects import OBJECTS
from face_occlusion.miniature.person import even_tone

_HAND_SHAPE = (240, 320)  # 4:3 as the release's 1200 x 1600
_TABLE = "id,age,gender,skinColor,accessories,nailPolish,aspectOfHand,imageName,irregularities"
_PHOTO_SHAPES = ((240, 320), (320, 240))
_ENLARGE = 4
_LEAST_PX = 12  # visible pixels of an instance


def draw_hands_11k(folder: Path, params: MiniatureParams) -> None:
    """Write Hands.zip, HandInfo.csv, the masks and the sample's list into `folder`."""
    draw = functools.partial(_draw_hand_photo, seed=params.seed)
    photos, masks, names, rows = [], [], [], [_TABLE]
    hands = draw_all(draw, range(params.num_hands), "hands")
    for k, (photo, mask, hand) in enumerate(hands):
        stem = f"Hand_{7 * k + 3:07d}"
        photos.append((f"Hands/{stem}.jpg", photo))
        masks.append((f"11k-hands_masks/{stem}.png", mask))
        names.append(f"{stem}.jpg\n")
        rows.append(_hand_row(k, stem, hand))
    archives.write_zip(folder / "Hands.zip", photos)
    archives.write_7z(folder / "11k-hands_masks.7z", masks)
    (folder / "11k-hands_sample.txt").write_text("".join(names))
    (folder / "HandInfo.csv").write_text("\n".join(rows) + "\n")


def _draw_hand_photo(index: int, seed: int) -> tuple[bytes, bytes, Hand]:
    """Draw one hand on white, its arm leaving through the top as in the release."""
    rng = np.random.default_rng([index, seed, 21])
    hand = sample_hand(rng, even_tone(index))
    canvas = Canvas(_HAND_SHAPE, STUDIO)
    height, width = canvas.shape
    canvas.rgb[:] = rng.uniform(0.82, 1.0) * np.array([1, 1, rng.uniform(0.94, 1.03)], np.float32)
    knuckles = np.array([rng.uniform(0.4, 0.6) * width, rng.uniform(0.36, 0.48) * height])
    pointing = np.pi / 2 + rng.normal(0, 0.14)
    unit = rng.uniform(0.3, 0.38) * height
    place = HandPlace(knuckles, unit, pointing, lift_px=0.03 * height)
    alpha = HandPainter(canvas, hand, place, rng, label=1).paint()
    mask = coverage(alpha >= 0.5, SUPERSAMPLE).astype(np.uint8) * 255
    return encode_jpeg(photograph(canvas, rng), 92), encode_png(mask), hand


def _hand_row(index: int, stem: str, hand: Hand) -> str:
    names = ("very fair", "fair", "medium", "dark")
    skin = names[int(np.searchsorted([0.12, 0.4, 0.68], hand.tone))]
    side = "right" if hand.dorsal != hand.mirrored else "left"
    aspect = f"{'dorsal' if hand.dorsal else 'palmar'} {side}"
    gender = ("male", "female")[index % 2]
    polish = int(hand.nails is not None and hand.dorsal)
    values = (f"{index:07d}", 20 + index % 40, gender, skin, int(hand.watch), polish, aspect)
    return ",".join(map(str, (*values, f"{stem}.jpg", 0)))


def draw_dtd(folder: Path, params: MiniatureParams) -> None:
    """Write dtd-r1.0.1.tar.gz into `folder`."""
    names = sorted(TEXTURES)
    items = [(names[k % len(names)], k // len(names) + 1) for k in range(params.num_textures)]
    draw = functools.partial(_draw_texture_photo, seed=params.seed)
    members = [
        (f"dtd/images/{category}/{category}_{number:04d}.jpg", photo)
        for (category, number), photo in zip(items, draw_all(draw, items, "textures"), strict=True)
    ]
    archives.write_tar_gz(folder / "dtd-r1.0.1.tar.gz", sorted(members))


def _draw_texture_photo(item: tuple[str, int], seed: int) -> bytes:
    category, number = item
    rng = np.random.default_rng([sorted(TEXTURES).index(category), number, seed, 23])
    shape = (int(rng.integers(200, 300)), int(rng.integers(200, 300)))
    return encode_jpeg(paint_texture(category, shape, rng), 92)


@dataclass(frozen=True)
class _Instance:
    """One annotated object of a photograph."""

    category: str
    mask: np.ndarray  # (H, W) bool
    crowd: bool = False


def draw_coco(folder: Path, params: MiniatureParams) -> None:
    """Write train2017.zip and its annotations into `folder`."""
    draw = functools.partial(_draw_scene, seed=params.seed)
    scenes = draw_all(draw, range(params.num_objects), "objects")
    images, annotations, photos = [], [], []
    groups = read_yaml(Path(__file__).with_name("coco_categories.yaml"))
    categories = [
        {"supercategory": group, "id": number, "name": name}
        for group, entries in groups.items()
        for number, name in entries.items()
    ]
    ids = {entry["name"]: entry["id"] for entry in categories}
    for k, (photo, size, instances) in enumerate(scenes):
        number = 1009 * (k + 1)
        name = f"{number:012d}.jpg"
        photos.append((f"train2017/{name}", photo))
        about = {"license": 1, "file_name": name, "height": size[0], "width": size[1]}
        images.append({**about, "id": number})
        for instance in instances:
            category_id, entry_id = ids[instance.category], len(annotations) + 1
            annotations.append(_annotation(instance, number, category_id, entry_id))
    archives.write_zip(folder / "train2017.zip", photos)
    terms = {"id": 1, "name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"}
    content = {
        "info": {"description": "miniature drawn in the layout of COCO 2017", "version": "1.0"},
        "licenses": [terms],
        "images": images,
        "annotations": annotations,
        "categories": categories,
    }
    data = json.dumps(content, separators=(",", ":")).encode()
    name = "annotations/instances_train2017.json"
    archives.write_zip(folder / "annotations_trainval2017.zip", [(name, data)])


def _annotation(
    instance: _Instance, image_id: int, category_id: int, entry_id: int
) -> dict[str, object]:
    rows, columns = np.nonzero(instance.mask)
    x, y = int(columns.min()), int(rows.min())
    segmentation: object = _polygons(instance.mask)
    if instance.crowd:
        segmentation = {"counts": _run_lengths(instance.mask), "size": list(instance.mask.shape)}
    return {
        "segmentation": segmentation,
        "area": float(instance.mask.sum()),
        "iscrowd": int(instance.crowd),
        "image_id": image_id,
        "bbox": [float(x), float(y), float(columns.max() - x + 1), float(rows.max() - y + 1)],
        "category_id": category_id,
        "id": entry_id,
    }


def _run_lengths(mask: np.ndarray) -> list[int]:
    """Return COCO's uncompressed run lengths: column by column, zeros first."""
    flat = np.concatenate([[0], mask.astype(np.int8).ravel(order="F"), [0]])
    ends = np.concatenate([[0], np.flatnonzero(np.diff(flat)), [mask.size]])
    runs = np.diff(ends)
    return [int(r) for r in (runs[:-1] if runs[-1] == 0 else runs)]


def _draw_scene(index: int, seed: int) -> tuple[bytes, Shape, list[_Instance]]:
    """Draw one photograph: a large object in the clear, others small, cut off or overlapping."""
    rng = np.random.default_rng([index, seed, 22])
    shape = _PHOTO_SHAPES[int(rng.integers(2))]
    scene, names = _Scene(shape, rng), list(OBJECTS)
    if rng.random() < 0.3:
        scene.add_pile()
    for _ in range(rng.integers(1, 4)):  # small ones along the upper edge, some cut off
        place = (rng.uniform(0, 1), rng.uniform(0.0, 0.22))
        scene.add(str(rng.choice(names)), place, rng.uniform(0.08, 0.28))
    if rng.random() < 0.35:
        scene.add_hand()
    middle = (rng.uniform(0.4, 0.6), rng.uniform(0.56, 0.62))
    scene.add(names[index % len(names)], middle, rng.uniform(0.5, 0.68))
    if rng.random() < 0.35:  # one that overlaps what is there
        place = (float(rng.choice([0.1, 0.9])), rng.uniform(0.5, 1.0))
        scene.add(str(rng.choice(names)), place, rng.uniform(0.3, 0.45))
    return encode_jpeg(photograph(scene.canvas, rng), 92), shape, scene.instances()


class _Scene:
    """A painting of objects, with the whole mask of each, from back to front."""

    def __init__(self, shape: Shape, rng: Rng) -> None:
        self.canvas, self.rng = Canvas(shape, sample_light(rng)), rng
        self.canvas.rgb[:] = paint_background(self.canvas.shape, rng)
        self._layers: list[_Instance] = []

    def add(self, name: str, place: tuple[float, float], size: float) -> None:
        """Add an object at (x, y), shares of width and height; size is a share of the shorter."""
        self._layers.append(_Instance(name, self._paint(name, place, size)))

    def add_pile(self) -> None:
        """Add a row of small apples, annotated as a crowd."""
        places = [(0.72 + 0.06 * k, 0.24 + 0.03 * (k % 2)) for k in range(6)]
        masks = [self._paint("apple", place, 0.1) for place in places]
        self._layers.append(_Instance("apple", np.any(masks, axis=0), crowd=True))

    def add_hand(self) -> None:
        """Add a hand, annotated as a person."""
        height, width = self.canvas.shape
        hand = sample_hand(self.rng, self.rng.uniform())
        knuckles = np.array([0.08 * width, 0.9 * height])
        place = HandPlace(knuckles, 0.16 * height, -0.5, lift_px=0.02 * height)
        alpha = HandPainter(self.canvas, hand, place, self.rng, label=1).paint()
        self._layers.append(_Instance("person", alpha >= 0.5))

    def _paint(self, name: str, place: tuple[float, float], size: float) -> np.ndarray:
        size_px = size * min(self.canvas.shape)
        centre = np.array(place) * self.canvas.shape[::-1]
        spot = Spot(centre, size_px, self.rng.normal(0, 0.35))
        solid = OBJECTS[name](self.canvas.shape, spot, self.rng)
        self.canvas.paint_solid(solid, None, lift_px=0.06 * size_px)
        return solid.alpha >= 0.5

    def instances(self) -> list[_Instance]:
        """Return what is visible of each layer; rests of a few pixels are left out."""
        seen, covered = [], np.zeros(self.canvas.shape, bool)
        for layer in reversed(self._layers):
            mask = coverage(layer.mask & ~covered, SUPERSAMPLE)
            covered |= layer.mask
            if mask.sum() >= _LEAST_PX and (layer.crowd or _polygons(mask)):
                seen.append(_Instance(layer.category, mask, layer.crowd))
        return seen[::-1]


def _polygons(mask: np.ndarray) -> list[list[float]]:
    """Return a mask's outer contours as COCO polygons [x0, y0, x1, y1, ...].

    COCO's coordinates run along the pixels' edges, OpenCV's through their centres; so the contour
    is taken of the enlarged mask.
    """
    size = (mask.shape[1] * _ENLARGE, mask.shape[0] * _ENLARGE)
    large = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    contours, _ = cv2.findContours(large, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    slim = [cv2.approxPolyDP(contour, 0.6 * _ENLARGE, True)[:, 0] for contour in contours]
    polygons = [((points + 0.5) / _ENLARGE).reshape(-1) for points in slim if len(points) >= 3]
    return [[float(v) for v in polygon] for polygon in polygons]
