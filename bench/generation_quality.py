"""Looks in numbers, ours and the published way: `python -m bench.generation_quality`.

Label against visible edge and halo on synthetic ground truth; the distance of hands' colours to
faces' before and after the transfer; the colour error of harmonisation on held-out composites.
Reads the image sets that the pipeline made, real photographs or drawn ones.
"""

import argparse
import dataclasses
import logging
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch

from bench import published
from face_occlusion.apps.rainnet.composites import CompositeSource, read_images
from face_occlusion.apps.rainnet.training import by_statistics, colour_errors
from face_occlusion.apps.viewing.contact_sheet import pick_keys
from face_occlusion.core.imageset import ImageSet
from face_occlusion.generation import make_occluder, occlude, sample_rng
from face_occlusion.generation.colour_transfer.transfer import ColourTransferParams
from face_occlusion.generation.colour_transfer.transport import random_directions
from face_occlusion.generation.compositing import blend, occlude_label, soften, warp
from face_occlusion.generation.harmonisation.harmoniser import STATISTICS
from face_occlusion.generation.params import PUBLISHED_SOT, SOT, paper_params
from face_occlusion.generation.placement import make_layer
from face_occlusion.generation.store import OccluderStore, TextureStore, open_store

CANVAS = (400, 440)
GREY = (137, 137, 137)
SKIN, BRIGHT = (214, 170, 140), (236, 228, 240)
NUM_DISCS = 40
NUM_HANDS = 24
STRENGTHS = (0.25, 0.5, 0.75, 1.0)
TRANSFERS = {
    "untouched": None,
    "masked (ours)": SOT,
    "masked, no Algorithm 1": dataclasses.replace(SOT, algorithm1="off"),
    "partial (SPOT)": dataclasses.replace(SOT, mode="partial"),
    "faithful to the paper": dataclasses.replace(SOT, mode="faithful"),
    "as published": PUBLISHED_SOT,
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data"), help="the pipeline's data")
    parser.add_argument("--composites", type=int, default=128, help="held-out composites")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    faces = ImageSet(args.data / "faces/wo")
    hands, objects = (ImageSet(args.data / f"occluders/{kind}") for kind in ("hands", "objects"))
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        store = open_store(hands, "natocc", Path(scratch) / "hands.bin")
        for line in quality_rows(faces, {"hands": store}):
            logging.info("%s", line)
    for line in harmonisation_rows(faces, [hands, objects], args.composites):
        logging.info("%s", line)


def quality_rows(faces: ImageSet, stores: dict[str, OccluderStore | TextureStore]) -> Iterator[str]:
    """Measure ours and the published way; one line each."""
    yield f"{'label beyond the visible edge, pixels (below 0.25)':<52} ours  published"
    ours, theirs = edge_offsets_px()
    yield f"{'  discs, known to sub-pixels':<50} {ours:+6.2f} {theirs:+10.2f}"
    yield "halo, levels of 255 outside both colours (0 = the premultiplied ideal)"
    for name, colours in (
        ("grey on the same grey", (GREY, GREY)),
        ("skin on bright ground", (SKIN, BRIGHT)),
    ):
        ours, theirs = halo_levels(*colours)
        yield f"  {name:<48} {ours:6.1f} {theirs:10.1f}"
    hands = stores["hands"]
    assert isinstance(hands, OccluderStore)
    yield f"hand to face, sliced Wasserstein in levels, {NUM_HANDS} pairs"
    directions = random_directions(np.random.default_rng(0), 1, 32)[0]
    for name, transfer in TRANSFERS.items():
        distance = mean_distance(faces, hands, transfer, directions)
        yield f"  {name:<48} {distance:6.1f}"


@torch.inference_mode()
def harmonisation_rows(
    faces: ImageSet, cutouts: list[ImageSet], num_composites: int
) -> Iterator[str]:
    """Measure colour statistics by strength on composites of held-out images, recoloured."""
    folders = [cutout_set.folder for cutout_set in cutouts]
    images = read_images(faces.folder, folders, side_px=256, max_faces=256)
    source = CompositeSource(images.split()[1], seed=1, device="cpu")
    batches = [source.sample(16) for _ in range(-(-num_composites // 16))]
    untouched = torch.cat([colour_errors(batch.image, batch) for batch in batches]).mean(dim=0)
    yield f"foreground's squared colour error, {16 * len(batches)} held-out composites"
    yield f"  {'untouched':<20} {untouched[1]:7.0f}"
    for name, move in STATISTICS.items():
        errors = [
            torch.cat([colour_errors(by_statistics(b, move, strength), b) for b in batches])
            for strength in STRENGTHS
        ]
        row = "  ".join(
            f"{strength:g}: {error.mean(dim=0)[1]:4.0f}"
            for strength, error in zip(STRENGTHS, errors, strict=True)
        )
        yield f"  {name:<20} {row}   (strength: error)"


def drawn_disc(radius_px: float, soft: bool, rgb: tuple[int, int, int] = GREY) -> np.ndarray:
    """Draw a plain disc as premultiplied RGBA, its radius exact to sub-pixels."""
    size = 2 * math.ceil(radius_px) + 3
    fine = (np.arange(size * 4) + 0.5) / 4 - size / 2
    inside = np.hypot(fine[:, np.newaxis], fine) <= radius_px
    share = inside.reshape(size, 4, size, 4).mean(axis=(1, 3))
    alpha = np.rint(255 * (share if soft else share >= 0.5)).astype(np.uint8)
    return np.dstack([*(np.rint(alpha * (level / 255)).astype(np.uint8) for level in rgb), alpha])


def edge_offsets_px() -> tuple[float, float]:
    """Return how far the label's radius lies beyond that of what is seen; ours, published."""
    ours, theirs = [], []
    for number in range(NUM_DISCS):
        rng = np.random.default_rng(number)
        radius, centre = rng.uniform(60, 150), rng.uniform(180, 220, size=2)
        disc = make_occluder(drawn_disc(200, soft=True))
        scale = radius / 200
        matrix = np.column_stack([scale * np.eye(2), centre - scale * disc.centre_xy])
        layer = soften(warp(disc, matrix, CANVAS, 8), rng.uniform(0.4, 1.4))
        label = np.ones(CANVAS, np.uint8)
        occlude_label(label, layer)
        ours.append(disc_radius(label == 0) - radius)
        hard = np.where(label == 0, 255, 0).astype(np.uint8)
        theirs.append(disc_radius(hard > 0) - disc_radius(published.soft_alpha(hard)))
    return max(ours, key=abs), float(np.mean(theirs))


def disc_radius(coverage: np.ndarray) -> float:
    """Return the radius of a disc of this coverage, 0-1 or bool."""
    return math.sqrt(coverage.sum(dtype=float) / math.pi)


def halo_levels(
    occluder_rgb: tuple[int, int, int], face_rgb: tuple[int, int, int]
) -> tuple[float, float]:
    """Return how far a disc's edge lies outside the colours it joins, at most; ours, published.

    An ideal composite only mixes the two: what lies beyond is a dark or bright fringe.
    """
    low, high = np.minimum(occluder_rgb, face_rgb), np.maximum(occluder_rgb, face_rgb)

    def beyond(image: np.ndarray) -> float:
        return float(np.maximum(low - image.astype(int), image.astype(int) - high).max())

    disc = make_occluder(drawn_disc(200, soft=True, rgb=occluder_rgb))
    cutout = drawn_disc(200, soft=False, rgb=occluder_rgb)
    ours, theirs = [], []
    for number in range(NUM_DISCS):
        rng = np.random.default_rng(number)
        scale = rng.uniform(0.3, 0.8)
        matrix = np.column_stack([scale * np.eye(2), np.array([200.3, 199.6]) - scale * 201])
        image = np.full((*CANVAS, 3), face_rgb, np.uint8)
        blend(image, soften(warp(disc, matrix, CANVAS, 8), rng.uniform(0.4, 1.4)))
        ours.append(beyond(image))
        side = round(cutout.shape[0] * scale)
        colour, mask = published.resize_on_black(
            np.ascontiguousarray(cutout[..., :3]), np.ascontiguousarray(cutout[..., 3]), (side,) * 2
        )
        plain = np.full((side, side, 3), face_rgb, np.uint8)
        covered = np.where(mask > 127, 255, 0).astype(np.uint8)
        theirs.append(beyond(published.blend(plain, colour, published.soft_alpha(covered))))
    return max(ours), max(theirs)


def mean_distance(
    faces: ImageSet,
    hands: OccluderStore,
    transfer: ColourTransferParams | None,
    directions: np.ndarray,
) -> float:
    """Average the distance between the pixels of hands and of the faces they occlude, levels."""
    params = paper_params("hands", colour_transfer=transfer)
    quiet = {"tone_prob": 0.0, "jpeg_prob": 0.0}
    params = dataclasses.replace(
        params,
        face=dataclasses.replace(params.face, affine_prob=0.0, **quiet),
        occluder=dataclasses.replace(params.occluder, **quiet),
    )
    by_key = {hand.key: hand for hand in hands}
    distances = []
    for key in pick_keys(faces, NUM_HANDS):
        face, seg_map = faces.image(key), faces.seg_map(key)
        image, _, record = occlude(face, seg_map, hands, sample_rng(key, 1), params)
        layer = make_layer(by_key[record["occluder"]], record, seg_map.shape)
        canvas, part = layer.inside(seg_map.shape)
        hand = image[canvas][layer.alpha[part] == 255]
        distances.append(255 * colour_distance(hand / 255, face[seg_map == 1] / 255, directions))
    return float(np.mean(distances))


def colour_distance(
    hand_pixels: np.ndarray, face_pixels: np.ndarray, directions: np.ndarray
) -> float:
    """Measure how far two sets of colours are apart: the sliced 2-Wasserstein distance.

    The root of the mean, over directions, of the squared distance of the quantiles; exact for
    sets of different sizes.

    Args:
        hand_pixels: (N, 3) colours of any scale.
        face_pixels: (M, 3) colours of that scale.
        directions: (..., 3) unit vectors.

    Returns:
        The distance in the unit of the colours, 0 for equal sets.

    Raises:
        ValueError: If a set is empty.
    """
    if not len(hand_pixels) or not len(face_pixels):
        raise ValueError(
            f"both sets must hold pixels; got {len(hand_pixels)} and {len(face_pixels)}"
        )
    num_hand, num_face = len(hand_pixels), len(face_pixels)
    ends = np.union1d(
        np.arange(1, num_hand + 1) * num_face, np.arange(1, num_face + 1) * num_hand
    )  # quantiles at which either sample steps on, in units of 1 / (num_hand * num_face)
    widths = np.diff(ends, prepend=0) / ends[-1]
    hand_index, face_index = (ends - 1) // num_face, (ends - 1) // num_hand
    total = 0.0
    flat = directions.reshape(-1, 3)
    for direction in flat:
        hand_along = np.sort(hand_pixels @ direction)[hand_index]
        face_along = np.sort(face_pixels @ direction)[face_index]
        total += float(((hand_along - face_along) ** 2) @ widths)
    return float(np.sqrt(total / len(flat)))


if __name__ == "__main__":
    main()
