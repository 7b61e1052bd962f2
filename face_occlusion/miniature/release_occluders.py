"""Miniatures of 11k Hands and DTD."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from face_occlusion.core.images import encode_jpeg, encode_png
from face_occlusion.miniature.canvas import SUPERSAMPLE, Canvas, coverage, draw_camera, photograph
from face_occlusion.miniature.drawing import draw_all
from face_occlusion.miniature.hands import Hand, HandPlace, draw_hand, paint_hand
from face_occlusion.miniature.lighting import STUDIO
from face_occlusion.miniature.packing import write_7z, write_tar_gz, write_zip
from face_occlusion.miniature.params import MiniatureParams
from face_occlusion.miniature.textures import CATEGORIES as TEXTURES
from face_occlusion.miniature.textures import draw_texture

_GOLDEN = (5**0.5 - 1) / 2
_HAND_SHAPE = (240, 320)  # 4:3 as the release's 1200 x 1600


def draw_hands_11k(folder: Path, params: MiniatureParams) -> None:
    """Write Hands.zip, HandInfo.csv, the masks and the sample's list into `folder`."""
    draw = functools.partial(_draw_hand_photo, seed=params.seed)
    photos = draw_all(draw, range(params.num_hands), "hands")
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
    unit = rng.uniform(0.3, 0.38) * height
    place = HandPlace(knuckles, unit, pointing, lift_px=0.03 * height)
    alpha = paint_hand(canvas, hand, place, STUDIO, rng, label=1)
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
    values = (f"{index:07d}", 20 + index % 40, gender, skin, int(hand.watch), polish, aspect)
    return ",".join(map(str, (*values, f"{stem}.jpg", 0)))


def draw_dtd(folder: Path, params: MiniatureParams) -> None:
    """Write dtd-r1.0.1.tar.gz into `folder`."""
    names = sorted(TEXTURES)
    items = [(names[k % len(names)], k // len(names) + 1) for k in range(params.num_textures)]
    draw = functools.partial(_draw_texture_photo, seed=params.seed)
    photos = draw_all(draw, items, "textures")
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
