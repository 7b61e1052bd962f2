"""Miniatures of 11k Hands, COCO and DTD."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from face_occlusion.images import encode_jpeg, encode_png
from face_occlusion.parallel import ordered_map
from face_occlusion.sources.miniature.backgrounds import paint_background
from face_occlusion.sources.miniature.canvas import (
    SUPERSAMPLE,
    Canvas,
    coverage,
    draw_camera,
    photograph,
)
from face_occlusion.sources.miniature.coco_categories import CATEGORY_IDS, coco_categories
from face_occlusion.sources.miniature.hands import Hand, HandPlace, draw_hand, paint_hand
from face_occlusion.sources.miniature.lighting import STUDIO, draw_light
from face_occlusion.sources.miniature.objects import CATEGORIES, Spot, paint_object, polygons
from face_occlusion.sources.miniature.packing import write_7z, write_tar_gz, write_zip
from face_occlusion.sources.miniature.params import MiniatureParams
from face_occlusion.sources.miniature.textures import CATEGORIES as TEXTURES
from face_occlusion.sources.miniature.textures import draw_texture

_GOLDEN = (5**0.5 - 1) / 2
_HAND_SHAPE = (240, 320)  # 4:3 as the release's 1200 x 1600
_PHOTO_SHAPES = ((240, 320), (320, 240))


def draw_hands_11k(folder: Path, params: MiniatureParams) -> None:
    """Write Hands.zip, HandInfo.csv, the masks and the sample's list into `folder`."""
    draw = functools.partial(_draw_hand_photo, seed=params.seed)
    photos = list(ordered_map(draw, range(params.num_hands), desc="draw hands"))
    stems = [f"Hand_{7 * k + 3:07d}" for k in range(params.num_hands)]
    write_zip(
        folder / "Hands.zip",
        [(f"Hands/{stem}.jpg", photo[0]) for stem, photo in zip(stems, photos, strict=True)],
    )
    write_7z(
        folder / "11k-hands_masks.7z",
        [
            (f"11k-hands_masks/{stem}.png", photo[1])
            for stem, photo in zip(stems, photos, strict=True)
        ],
    )
    (folder / "11k-hands_sample.txt").write_text("".join(f"{stem}.jpg\n" for stem in stems))
    rows = ["id,age,gender,skinColor,accessories,nailPolish,aspectOfHand,imageName,irregularities"]
    for k, (stem, photo) in enumerate(zip(stems, photos, strict=True)):
        rows.append(_hand_row(k, stem, photo[2]))
    (folder / "HandInfo.csv").write_text("\n".join(rows) + "\n")


def _draw_hand_photo(index: int, seed: int) -> tuple[bytes, bytes, Hand]:
    """Draw one hand on white, its arm leaving through the top as in the release."""
    rng = np.random.default_rng([index, seed, 21])
    hand = draw_hand(rng, (0.07 + index * _GOLDEN) % 1)
    canvas = Canvas(_HAND_SHAPE)
    height, width = canvas.shape
    canvas.light[:] = rng.uniform(0.82, 1.0) * np.array([1, 1, rng.uniform(0.94, 1.03)], np.float32)
    knuckles = np.array([rng.uniform(0.4, 0.6) * width, rng.uniform(0.36, 0.48) * height])
    pointing = np.pi / 2 + rng.normal(0, 0.14)
    place = HandPlace(knuckles, rng.uniform(0.3, 0.38) * height, pointing)
    alpha = paint_hand(canvas, hand, place, STUDIO, rng, label=1, lift_px=0.03 * height)
    image = photograph(canvas, draw_camera(rng), rng)
    mask = coverage(alpha >= 0.5, SUPERSAMPLE).astype(np.uint8) * 255
    return encode_jpeg(image, 92), encode_png(mask), hand


def _hand_row(index: int, stem: str, hand: Hand) -> str:
    skin = ("very fair", "fair", "medium", "dark")[
        int(np.searchsorted([0.12, 0.4, 0.68], hand.tone))
    ]
    side = "right" if hand.dorsal != hand.mirrored else "left"
    aspect = f"{'dorsal' if hand.dorsal else 'palmar'} {side}"
    gender = ("male", "female")[index % 2]
    polish = int(hand.nails is not None and hand.dorsal)
    return f"{index:07d},{20 + index % 40},{gender},{skin},{int(hand.watch)},{polish},{aspect},{stem}.jpg,0"


@dataclass(frozen=True)
class _Instance:
    category: int
    mask: np.ndarray  # (H, W) bool, what is visible
    crowd: bool


def draw_coco(folder: Path, params: MiniatureParams) -> None:
    """Write train2017.zip, its annotations and the precomputed objects into `folder`."""
    draw = functools.partial(_draw_scene, seed=params.seed)
    scenes = list(ordered_map(draw, range(params.num_objects), desc="draw objects"))
    images, annotations, photos = [], [], []
    for k, (photo, size, instances) in enumerate(scenes):
        number = 1009 * (k + 1)
        name = f"{number:012d}.jpg"
        photos.append((f"train2017/{name}", photo))
        images.append(
            {"license": 1, "file_name": name, "height": size[0], "width": size[1], "id": number}
        )
        for instance in instances:
            annotations.append(_annotation(instance, number, len(annotations) + 1))
    write_zip(folder / "train2017.zip", photos)
    content = {
        "info": {"description": "miniature drawn in the layout of COCO 2017", "version": "1.0"},
        "licenses": [
            {"id": 1, "name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"}
        ],
        "images": images,
        "annotations": annotations,
        "categories": coco_categories(),
    }
    data = json.dumps(content, separators=(",", ":")).encode()
    write_zip(
        folder / "annotations_trainval2017.zip", [("annotations/instances_train2017.json", data)]
    )


def _annotation(instance: _Instance, image_id: int, annotation_id: int) -> dict[str, object]:
    rows, columns = np.nonzero(instance.mask)
    x, y = int(columns.min()), int(rows.min())
    segmentation: object = polygons(instance.mask)
    if instance.crowd:
        segmentation = {"counts": _run_lengths(instance.mask), "size": list(instance.mask.shape)}
    return {
        "segmentation": segmentation,
        "area": float(instance.mask.sum()),
        "iscrowd": int(instance.crowd),
        "image_id": image_id,
        "bbox": [float(x), float(y), float(columns.max() - x + 1), float(rows.max() - y + 1)],
        "category_id": instance.category,
        "id": annotation_id,
    }


def _run_lengths(mask: np.ndarray) -> list[int]:
    """Return COCO's uncompressed run lengths: column by column, zeros first."""
    flat = np.concatenate([[0], mask.astype(np.int8).ravel(order="F"), [0]])
    changes = np.flatnonzero(np.diff(flat))
    ends = np.concatenate([[0], changes, [mask.size]])
    runs = np.diff(ends)
    return [int(r) for r in (runs[:-1] if runs[-1] == 0 else runs)]


def _draw_scene(index: int, seed: int) -> tuple[bytes, tuple[int, int], list[_Instance]]:
    """Draw one photograph: a large object in the clear, others small, cut off or overlapping."""
    rng = np.random.default_rng([index, seed, 22])
    shape = _PHOTO_SHAPES[int(rng.integers(2))]
    canvas, light = Canvas(shape), draw_light(rng)
    canvas.light[:] = paint_background(canvas.shape, rng)
    height, width = canvas.shape
    names = list(CATEGORIES)
    layers: list[tuple[int, np.ndarray, bool]] = []

    def add(name: str, x: float, y: float, size: float) -> None:
        spot = Spot(
            np.array([x * width, y * height]), size * min(shape) * SUPERSAMPLE, rng.normal(0, 0.35)
        )
        alpha = paint_object(canvas, name, spot, light, rng, label=None)
        layers.append((CATEGORY_IDS[name], alpha >= 0.5, False))

    if rng.random() < 0.3:
        layers.append((CATEGORY_IDS["apple"], _paint_pile(canvas, rng), True))
    for _ in range(rng.integers(1, 4)):  # small ones along the upper edge, and cut off
        add(
            str(rng.choice(names)),
            rng.uniform(0, 1),
            rng.uniform(0.0, 0.22),
            rng.uniform(0.08, 0.28),
        )
    if rng.random() < 0.35:
        hand = draw_hand(rng, rng.uniform())
        place = HandPlace(np.array([0.08 * width, 0.9 * height]), 0.16 * height, -0.5)
        alpha = paint_hand(canvas, hand, place, light, rng, label=1, lift_px=8)
        layers.append((CATEGORY_IDS["person"], alpha >= 0.5, False))
    add(
        names[index % len(names)],
        rng.uniform(0.4, 0.6),
        rng.uniform(0.56, 0.62),
        rng.uniform(0.5, 0.68),
    )
    if rng.random() < 0.35:  # one that laps over whatever is there
        add(
            str(rng.choice(names)),
            rng.choice([0.1, 0.9]),
            rng.uniform(0.5, 1.0),
            rng.uniform(0.3, 0.45),
        )
    image = photograph(canvas, draw_camera(rng), rng)
    return encode_jpeg(image, 92), shape, _visible(layers)


def _paint_pile(canvas: Canvas, rng: np.random.Generator) -> np.ndarray:
    """Paint a heap of small apples, annotated as a crowd; returns its (S H, S W) bool mask."""
    height, width = canvas.shape
    light, covered = draw_light(rng), np.zeros(canvas.shape, bool)
    for k in range(6):
        centre = np.array([(0.72 + 0.06 * k) * width, (0.24 + 0.03 * (k % 2)) * height])
        spot = Spot(centre, 0.09 * height, rng.normal(0, 0.5))
        covered |= paint_object(canvas, "apple", spot, light, rng, label=None) >= 0.5
    return covered


def _visible(layers: list[tuple[int, np.ndarray, bool]]) -> list[_Instance]:
    """Return the instances, back to front, less what later ones cover; tiny rests are left out."""
    instances = []
    covered = np.zeros(layers[0][1].shape, bool)
    for category, mask, crowd in reversed(layers):
        seen = coverage(mask & ~covered, SUPERSAMPLE)
        covered |= mask
        if seen.sum() >= 12 and (crowd or polygons(seen)):
            instances.append(_Instance(category, seen, crowd))
    return instances[::-1]


def draw_dtd(folder: Path, params: MiniatureParams) -> None:
    """Write dtd-r1.0.1.tar.gz into `folder`."""
    names = sorted(TEXTURES)
    items = [(names[k % len(names)], k // len(names) + 1) for k in range(params.num_textures)]
    draw = functools.partial(_draw_texture_photo, seed=params.seed)
    photos = list(ordered_map(draw, items, desc="draw textures"))
    members = [
        (f"dtd/images/{category}/{category}_{number:04d}.jpg", photo)
        for (category, number), photo in zip(items, photos, strict=True)
    ]
    write_tar_gz(folder / "dtd-r1.0.1.tar.gz", sorted(members))


def _draw_texture_photo(item: tuple[str, int], seed: int) -> bytes:
    category, number = item
    rng = np.random.default_rng([sorted(TEXTURES).index(category), number, seed, 23])
    shape = (int(rng.integers(200, 300)), int(rng.integers(200, 300)))
    return encode_jpeg(draw_texture(category, shape, rng), 92)
