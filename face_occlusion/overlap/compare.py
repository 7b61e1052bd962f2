"""Compare sets of training and benchmark images: suspected copies, and people in both.

Copies are found by perceptual hashes. A hash hardly changes with JPEG quality, size or brightness,
but it does with a crop. Therefore each image is hashed whole, around its face, and around its face
with some surroundings; the mask says where the face is. A copy may also be mirrored, or turned as
by alignment: one side of a comparison is hashed as it is, the other in all these variants.
"""

import dataclasses
import functools
import itertools
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import msgspec
import numpy as np
import scipy.fft
from PIL import Image

from face_occlusion.core.classes import FACE
from face_occlusion.core.files import atomic_write, errors_name
from face_occlusion.core.images import reduced, warp_affine
from face_occlusion.core.imageset import ImageSet
from face_occlusion.core.parallel import ordered_map
from face_occlusion.core.params import Checked, Meta, Natural

HASH_SIDE = 16
HASH_BITS = HASH_SIDE**2
WORDS = HASH_BITS // 64  # of 64 bits
SQUARE_SIDES = {"face": 1.0, "surroundings": 1.4}  # side of the square / longer side of the face
VIEWS = ("whole", *SQUARE_SIDES)
ANGLES_DEG = (0, -18, -12, -6, 6, 12, 18)
VARIANTS = tuple(itertools.product(ANGLES_DEG, (False, True)))  # (angle, mirrored)

_VIEW_PX = 128
_DCT_PX = 4 * HASH_SIDE  # side at which a view is transformed
_READ_PX = 512  # longer side that views are cut from
_BLOCK = 1 << 21  # distances computed at once: 64 MB


def hash_image(
    image: np.ndarray, seg_map: np.ndarray | None, *, variants: bool = False
) -> np.ndarray:
    """Hash an image, (H, W, 3) uint8 RGB, in all views.

    Of (H, W) uint8 class ids without a face, or None, the middle is taken for the face. `variants`
    hashes it turned and mirrored as well; whole it is only mirrored. Returns (V, A, WORDS) uint64
    by VIEWS and VARIANTS; A is 1 without variants.
    """
    whole = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    grey = reduced(whole, _READ_PX)  # such that cutting views from it skips no pixels
    outline = face_outline(image, seg_map) * np.float32(min(1.0, _READ_PX / max(whole.shape)))
    hashes = [
        [_hash(_cut(grey, outline, view, angle), mirrored=mirrored) for view in VIEWS]
        for angle, mirrored in (VARIANTS if variants else VARIANTS[:1])
    ]
    return np.swapaxes(np.asarray(hashes, np.uint64), 0, 1)


def face_outline(image: np.ndarray, seg_map: np.ndarray | None) -> np.ndarray:
    """Return (N, 2) float32 corners (x, y) of the face's convex hull, else of the image's middle.

    The middle is the square of half the shorter side.
    """
    if seg_map is not None and (seg_map == FACE).any():
        points = cv2.findNonZero((seg_map == FACE).astype(np.uint8))
        return cv2.convexHull(points).reshape(-1, 2).astype(np.float32)
    height, width = image.shape[:2]
    half = min(height, width) / 4
    corners = np.array([[-half, -half], [half, -half], [half, half], [-half, half]])
    return (np.array([width / 2, height / 2]) + corners).astype(np.float32)


def _cut(grey: np.ndarray, outline: np.ndarray, view: str, angle_deg: float) -> np.ndarray:
    """Cut a view, turned by an angle; (h, w) uint8. The whole image is never turned."""
    if view not in SQUARE_SIDES:
        return grey
    cosine, sine = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    turn = np.array([[cosine, -sine], [sine, cosine]])
    turned = outline[:, :1] * turn[:, 0] + outline[:, 1:] * turn[:, 1]
    low, high = turned.min(axis=0), turned.max(axis=0)
    scale = _VIEW_PX / (SQUARE_SIDES[view] * max(*(high - low), 1))
    shift = _VIEW_PX / 2 - scale * (low + high) / 2
    matrix = np.column_stack([scale * turn, shift])
    return warp_affine(grey, matrix, (_VIEW_PX, _VIEW_PX), cv2.BORDER_REFLECT)


def _hash(view: np.ndarray, *, mirrored: bool) -> np.ndarray:
    """Hash a view: (WORDS,) uint64, by its low frequencies, which are above their median or not.

    As `imagehash.phash`, but frequencies are rounded before they are compared: the last bits of
    the transform differ by CPU, and those that should be equal then are.
    """
    picture = Image.fromarray(np.ascontiguousarray(view[:, ::-1] if mirrored else view))
    small = picture.resize((_DCT_PX, _DCT_PX), Image.Resampling.LANCZOS)
    transform = np.asarray(scipy.fft.dctn(np.asarray(small, float)))
    frequencies = np.rint(transform[:HASH_SIDE, :HASH_SIDE] * 1024)
    return np.packbits(frequencies > np.median(frequencies)).view(np.uint64)


def all_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Measure how far each image of one set is from each of another, in differing bits.

    Views, (N, V, A, WORDS) and (M, V, B, WORDS) uint64 of `hash_image`, are compared with the same
    view, in every variant; the closest counts. Returns (N, M) uint16, 0 for equal images.
    """
    closest = np.full((len(first), len(second)), HASH_BITS, np.uint16)
    rows = max(1, _BLOCK // max(1, len(second)))
    for start in range(0, len(first), rows):
        block = closest[start : start + rows]
        for view in range(first.shape[1]):
            for mine in np.moveaxis(first[start : start + rows, view], 1, 0):
                for other in np.moveaxis(second[:, view], 1, 0):
                    np.minimum(block, _hamming(mine, other), out=block)
    return closest


def _hamming(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Count differing bits of (N, WORDS) against (M, WORDS): (N, M) uint16."""
    bits = np.zeros((len(first), len(second)), np.uint16)
    for word in range(first.shape[1]):
        bits += np.bitwise_count(first[:, word, np.newaxis] ^ second[np.newaxis, :, word])
    return bits


@dataclass(frozen=True, kw_only=True)
class ImagePair:
    """Two images and in how many of 256 bits their closest views differ."""

    first: str
    second: str
    bits: int


@dataclass(frozen=True, kw_only=True)
class SetComparison:
    """Two image sets, compared."""

    first: str  # one set: a training set, or a benchmark
    second: str  # the other one, a benchmark
    sizes: tuple[int, int]  # images of both
    same_release: bool  # whether both come from one release, so that shared images can be meant
    suspected: list[ImagePair]  # all pairs within the limit, closest first
    closest: list[ImagePair]  # the closest pairs, each of another image of the second set
    identities: str  # whether people are in both sets, in words
    shared_identities: int | None  # how many; None where that is unknown

    @property
    def num_suspected(self) -> tuple[int, int]:
        """Count the images of both sets that are in a suspected pair."""
        pairs = self.suspected
        return len({pair.first for pair in pairs}), len({pair.second for pair in pairs})


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """All comparisons and the limit they were made with."""

    max_bits: int
    comparisons: list[SetComparison]


def list_pairs(
    distances: np.ndarray, first: list[str], second: list[str], places: np.ndarray
) -> list[ImagePair]:
    """List pairs of images, closest first, then by name.

    Of (N, M) differing bits `first` holds the keys of the rows, `second` those of the columns;
    `places` are the pairs' (P, 2) rows and columns.
    """
    pairs = [
        ImagePair(first=first[row], second=second[column], bits=int(distances[row, column]))
        for row, column in places.tolist()
    ]
    return sorted(pairs, key=lambda pair: (pair.bits, pair.first, pair.second))


@dataclass(frozen=True, kw_only=True)
class OverlapParams(Checked):
    """Section `overlap` of params.yaml."""

    training: Sequence[str]  # image sets below data/ that runs are trained on
    benchmarks: Sequence[str]  # image sets below data/benchmarks/
    # Images whose closest views differ in no more bits, of 256, are suspected.
    max_bits: Annotated[int, Meta(ge=0, lt=HASH_BITS // 2)]
    num_closest: Natural  # pairs shown of each two sets, whether suspected or not


def hash_sets(
    image_sets: Mapping[str, ImageSet], turned: Collection[str], workers: int | None = None
) -> dict[str, np.ndarray]:
    """Hash every image of several sets: name -> (N, V, A, WORDS) uint64, see `hash_image`.

    The sets named in `turned` are hashed in all variants. An unreadable image is a ValueError.
    """
    items = [(name, key) for name, one in image_sets.items() for key in one.keys]
    hash_one = functools.partial(_hash_sample, image_sets=image_sets, turned=frozenset(turned))
    hashes = iter([*ordered_map(hash_one, items, desc="hash images", workers=workers)])
    return {
        name: np.stack([*itertools.islice(hashes, len(one))]) for name, one in image_sets.items()
    }


def _hash_sample(
    item: tuple[str, str], *, image_sets: Mapping[str, ImageSet], turned: Collection[str]
) -> np.ndarray:
    name, key = item
    image_set = image_sets[name]
    seg_map = image_set.seg_map(key) if "png" in image_set.parts(key) else None
    return hash_image(image_set.image(key), seg_map, variants=name in turned)


def find_overlap(
    training: Mapping[str, ImageSet],
    benchmarks: Mapping[str, ImageSet],
    *,
    max_bits: int,
    num_closest: int,
    workers: int | None = None,
) -> Overlap:
    """Compare each training set with each benchmark, and the benchmarks among each other.

    Sets that are absent are left out. Images at most `max_bits` apart are suspected to show one
    photograph; `num_closest` pairs are kept of each two sets.
    """
    training, benchmarks = (
        {name: one for name, one in group.items() if not one.absent}
        for group in (training, benchmarks)
    )
    image_sets = {**training, **benchmarks}
    hashes = hash_sets(image_sets, benchmarks.keys(), workers)
    identities = {name: read_identities(one) for name, one in image_sets.items()}
    pairs = [*itertools.product(training, benchmarks), *itertools.combinations(benchmarks, 2)]
    comparisons = []
    for first, second in pairs:
        one, other = image_sets[first], image_sets[second]
        distances = all_distances(hashes[first][:, :, :1], hashes[second])
        pairs_at = functools.partial(list_pairs, distances, one.keys, other.keys)
        nearest = np.column_stack([distances.argmin(axis=0), np.arange(len(other))])
        words, shared = compare_identities(identities, first, second)
        comparisons.append(
            SetComparison(
                first=first,
                second=second,
                sizes=(len(one), len(other)),
                same_release=bool({*one.info["sources"]} & {*other.info["sources"]}),
                suspected=pairs_at(np.argwhere(distances <= max_bits)),
                closest=pairs_at(nearest)[:num_closest],
                identities=words,
                shared_identities=shared,
            )
        )
    return Overlap(max_bits=max_bits, comparisons=comparisons)


def read_identities(image_set: ImageSet) -> set[tuple[str, str]] | None:
    """Read whose faces a set holds: (source, identity) of each record; None if one has none."""
    found = set()
    for key in image_set.keys:
        record = image_set.record(key) if "json" in image_set.parts(key) else {}
        if record.get("identity") is None:
            return None
        found.add((record.get("source", ""), record["identity"]))
    return found


def compare_identities(
    identities: Mapping[str, set[tuple[str, str]] | None], first: str, second: str
) -> tuple[str, int | None]:
    """Say whether people are in both of two named sets, by what `read_identities` found of each.

    It is unknown where identities are missing or of two kinds. Returns the words, and how many
    people are in both, None where that is unknown.
    """
    mine, others = identities[first], identities[second]
    if mine is None or others is None:
        unknown = [name for name in (first, second) if identities[name] is None]
        return f"unknown: {' and '.join(unknown)} name no identities", None
    if {source for source, _ in mine} != {source for source, _ in others}:
        return "unknown: identities of two releases", None
    if shared := len(mine & others):
        return f"{shared} of {len(others)} in both", shared
    return f"none: {len(others)} identities, {len(mine)} others", 0


def write_overlap(path: Path, overlap: Overlap) -> None:
    """Write the comparisons as JSON, atomically; the same sets give the same bytes."""
    atomic_write(path, json.dumps(dataclasses.asdict(overlap), indent=1) + "\n")


def read_overlap(path: Path) -> Overlap:
    """Read what `write_overlap` wrote; a file that is missing or another is a ValueError."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file; run `dvc repro overlap`")
    with errors_name(f"{path}: not written by `stages.overlap`", msgspec.DecodeError):
        return msgspec.json.decode(path.read_bytes(), type=Overlap)
