"""Speed of generation, both sides of each ratio in one run: `python -m bench.generation`.

rows
  codec        hand, object, RandOcc, file to file, over the floor: decoding and encoding the same
               faces and masks with the same codecs; below each, the published generator's ratio
  transfer     a hand with its colours transferred, file to file, against the published transfer
               of one hand (which leaves its own codecs and blending out)
  workers      images a second of --workers processes on as many cores against one on one core
  end-to-end   images a second of a NatOcc-SOT set, JPEG shards to JPEG shards

The first two run on one core, by CPU time, both sides in turns; a figure is the median of the
rounds' ratios, with the smallest and the largest. `workers` needs the machine to itself: whatever
else runs takes from the second worker first. The published side is `bench.published`, a slow
reference implemented from its description. It computes 3 of the 61 rows of shifts of its
smoothing, all of the same length; the rest is extrapolated, and the table says so.

Reads the image sets that the pipeline made (real photographs: profile small). Faces are enlarged to
--size, hands to --hand-mpx, the paper's sizes.

Examples:
    python -m bench.generation                          # codec, transfer, workers
    python -m bench.generation --rows workers --rounds 5
    python -m bench.generation --rows end-to-end --images 4096 --workers 16
"""

import argparse
import dataclasses
import logging
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from bench import published
from bench.enlarged import HAND_MPX, enlarge_faces, enlarge_hands, repeat_faces
from bench.generation_sets import end_to_end_rows, worker_rows
from bench.machine import machine
from face_occlusion.core.images import encode_jpeg, encode_png
from face_occlusion.core.imageset import ImageSet
from face_occlusion.core.parallel import keep_freed_memory, num_workers
from face_occlusion.generation import GenerateParams, sample_rng
from face_occlusion.generation.generate import generate_sample
from face_occlusion.generation.geometry import Occluder
from face_occlusion.generation.params import SOT, paper_params
from face_occlusion.generation.store import OccluderStore, TextureStore, open_store

ROWS = ("codec", "transfer", "workers", "end-to-end")
PUBLISHED_ROWS = 3  # of 61 rows of shifts that are computed; the rest is extrapolated
Stores = dict[str, OccluderStore | TextureStore]


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the table: ratios of the rounds, and the milliseconds behind them."""

    name: str
    ratios: list[float]
    ours_ms: float
    theirs_ms: float
    target: str

    def __str__(self) -> str:
        middle = statistics.median(self.ratios)
        digits = 0 if middle >= 100 else 2
        extent = f"({min(self.ratios):.{digits}f}-{max(self.ratios):.{digits}f})"
        return (
            f"{self.name:<44} {middle:>8.{digits}f} x {extent:<15} "
            f"{self.ours_ms:8.2f} / {self.theirs_ms:8.2f} ms   {self.target}"
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS[:3]), help="see above")
    parser.add_argument("--data", type=Path, default=Path("data"), help="the pipeline's data")
    parser.add_argument("--size", type=int, default=1024, help="side of the faces, pixels")
    parser.add_argument("--faces", type=int, default=32, help="different faces")
    parser.add_argument("--hands", type=int, default=24, help="different hands")
    parser.add_argument("--hand-mpx", type=float, default=HAND_MPX, help="their median size")
    parser.add_argument("--rounds", type=int, default=5, help="alternations of both sides")
    parser.add_argument("--workers", type=int, default=num_workers(), help="processes")
    parser.add_argument("--images", type=int, default=384, help="images of a whole set")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.info("%s", machine())
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        for row in table(args, Path(scratch)):
            logging.info("%s", row)


def table(args: argparse.Namespace, scratch: Path) -> Iterator[Row | str]:
    """Measure the rows that were asked for, one by one."""
    keep_freed_memory()  # first, as in a worker; helps the floor, too
    faces = enlarge_faces(args.data / "faces/wo", args.faces, args.size, scratch / "few")
    occluders = args.data / "occluders"
    hands = enlarge_hands(occluders / "hands", args.hands, args.hand_mpx, scratch / "hands")
    store = open_store(hands, "natocc", scratch / "hands.bin", args.workers)
    yield (
        f"{len(faces)} faces of {args.size} px, {len(hands)} hands of {args.hand_mpx:.2f} Mpx "
        f"(median); median (extremes) of {args.rounds} rounds"
    )
    if "codec" in args.rows or "transfer" in args.rows:
        cv2.setNumThreads(1)
    if "codec" in args.rows:
        yield from codec_rows(faces, open_stores(occluders, store, scratch), args.rounds)
    if "transfer" in args.rows:
        yield from transfer_rows(faces, store, args.rounds)
    if "workers" in args.rows:
        many = repeat_faces(faces, args.images, scratch / "many")
        yield from worker_rows(many, store, args.workers, args.rounds, scratch / "workers")
    if "end-to-end" in args.rows:
        many = repeat_faces(faces, args.images, scratch / "whole")
        yield from end_to_end_rows(many, store, args.workers, args.rounds, scratch / "sets")


def open_stores(folder: Path, hands: OccluderStore | TextureStore, scratch: Path) -> Stores:
    """Open the sets of objects and textures next to that of the hands."""
    methods = {"objects": "natocc", "textures": "randocc"}
    return {"hands": hands} | {
        kind: open_store(ImageSet(folder / kind), method, scratch / f"{kind}.bin")
        for kind, method in methods.items()
    }


def codec_rows(faces: ImageSet, stores: Stores, rounds: int) -> Iterator[Row | str]:
    """Time each kind of sample against the codecs."""
    floor, target = codec_floor(faces), "must 2.2, goal 1.5"
    yield "codec: file to file over decode + encode of image and mask; ours / floor"
    for kind, name in (("hands", "hand"), ("objects", "object"), ("textures", "RandOcc")):
        ours = ours_on(faces, stores[kind], paper_params(kind))
        yield compare(f"  {name}, no transfer", ours, floor, rounds, target)
        theirs = published_on(faces, stores[kind])
        yield compare(f"    published {name}", theirs, floor, 1, "")
    coloured = ours_on(faces, stores["hands"], paper_params("hands", colour_transfer=SOT))
    yield compare("  hand + transfer", coloured, floor, rounds, "")


def codec_floor(faces: ImageSet) -> Callable[[], int]:
    """Return a function that decodes and encodes every face and mask."""

    def run() -> int:
        for key in faces.keys:
            image, seg_map = faces.image(key), faces.seg_map(key)
            encode_jpeg(image, 95)
            encode_png(seg_map)
        return len(faces)

    return run


def ours_on(
    faces: ImageSet, store: OccluderStore | TextureStore, params: GenerateParams
) -> Callable[[], int]:
    """Return a function that makes a sample of every face, from bytes to bytes."""

    def run() -> int:
        for key in faces.keys:
            generate_sample(faces, store, key, params)
        return len(faces)

    return run


def published_on(faces: ImageSet, store: OccluderStore | TextureStore) -> Callable[[], int]:
    """Return a function that does the same the published way."""

    def run() -> int:
        for key in faces.keys:
            rng = sample_rng(key, 1)
            image, face_mask = faces.image(key), faces.seg_map(key) * np.uint8(255)
            colour, mask = published_occluder(store, rng)
            image, label = published.occlude(image, face_mask, colour, mask, rng)
            encode_jpeg(image, 95)
            encode_png(label)
        return len(faces)

    return run


def published_occluder(
    store: OccluderStore | TextureStore, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw an occluder as colour on black and a hard mask."""
    if isinstance(store, TextureStore):
        texture = store[int(rng.integers(len(store)))]
        return published.random_texture_shape(texture.image, published.TEXTURE_PX, rng)
    return _hard_cutout(store[int(rng.integers(len(store)))].levels[0])


def _hard_cutout(cutout: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut premultiplied RGBA out on black by a hard 0/255 mask."""
    mask = np.where(cutout[..., 3] >= 128, 255, 0).astype(np.uint8)
    return published.cut_out(cutout[..., :3], mask), mask


def compare(
    name: str, ours: Callable[[], int], theirs: Callable[[], int], rounds: int, target: str
) -> Row:
    """Time two functions in turns; ratios are ours over theirs."""
    for warm_up in (ours, theirs):
        warm_up()
    times = [(cpu_ms(ours), cpu_ms(theirs)) for _ in range(rounds)]
    middles = (statistics.median(side) for side in zip(*times, strict=True))
    return Row(name, [one / other for one, other in times], *middles, target=target)


def cpu_ms(run: Callable[[], int]) -> float:
    """Return the CPU time of one sample in milliseconds."""
    started = time.process_time()
    count = run()
    return (time.process_time() - started) / count * 1e3


def transfer_rows(
    faces: ImageSet, hands: OccluderStore | TextureStore, rounds: int
) -> Iterator[Row | str]:
    """Compare hands with transfer, file to file, with the published transfer of one hand."""
    ours = ours_on(faces, hands, paper_params("hands", colour_transfer=SOT))
    ours()
    levels = [hand.levels[0] for hand in hands if isinstance(hand, Occluder)]
    cutouts = sorted(levels, key=lambda level: level.size)
    hand, hand_mask = _hard_cutout(cutouts[len(cutouts) // 2])
    yield (
        f"transfer: against published, on a hand of median size ({hand_mask.size / 1e6:.2f} Mpx); "
        f"its smoothing extrapolated from {PUBLISHED_ROWS} of 61 rows; ours / theirs"
    )
    sides = []
    for number in range(rounds):
        theirs_ms = published_ms(faces, faces.keys[number % len(faces)], hand, hand_mask > 0)
        sides.append((cpu_ms(ours), theirs_ms))
    middles = (statistics.median(side) for side in zip(*sides, strict=True))
    ratios = [theirs / one for one, theirs in sides]
    yield Row("  hand + transfer", ratios, *middles, target="must 1200, goal 3000")


def published_ms(faces: ImageSet, key: str, hand: np.ndarray, hand_mask: np.ndarray) -> float:
    """Time the published transfer: the transport measured, the smoothing extrapolated."""
    face, face_mask = faces.image(key), faces.seg_map(key) == 1
    started = time.process_time()
    change = published.transport(face, face_mask, hand, hand_mask, np.random.default_rng(0))
    moved = time.process_time()
    _, share = published.shifted_mean(change, PUBLISHED_ROWS)
    return (moved - started + (time.process_time() - moved) / share) * 1e3


if __name__ == "__main__":
    main()
