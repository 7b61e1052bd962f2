"""Speed and quality of generation, as ratios in one run: `python -m bench.generation`.

Each speed row times both sides alternately in one process on one core, by CPU time, and prints
the median of the ratios. The floor is decoding and encoding image and mask of the same faces.
The published side is `bench.published`, a slow reference written from its description.

Reads the image sets that the pipeline made; faces are enlarged to `--size`.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from bench import published
from bench.generation_quality import quality_rows
from face_occlusion.generation import GenerateParams, sample_rng
from face_occlusion.generation.executors import keep_freed_memory, run_tasks
from face_occlusion.generation.generate import ShardTask, generate_sample
from face_occlusion.generation.presets import SOT, STATISTICS, paper_params
from face_occlusion.generation.store import OccluderStore, TextureStore, open_store
from face_occlusion.images import encode_jpeg, encode_png
from face_occlusion.imageset import ImageSet, encode_record, write_image_set

PUBLISHED_ROWS = 3  # of 61 rows of shifts that are computed; the rest is extrapolated
Stores = dict[str, OccluderStore | TextureStore]


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the table: a ratio, and the milliseconds behind it."""

    name: str
    ratio: float
    ours_ms: float
    theirs_ms: float
    target: str

    def __str__(self) -> str:
        return (
            f"{self.name:<52} {self.ratio:>9.2f} x   "
            f"{self.ours_ms:9.2f} / {self.theirs_ms:9.2f} ms   {self.target}"
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data"), help="the pipeline's data")
    parser.add_argument("--size", type=int, default=1024, help="side of the faces, pixels")
    parser.add_argument("--faces", type=int, default=24, help="faces in each timing")
    parser.add_argument("--rounds", type=int, default=5, help="alternations of both sides")
    parser.add_argument("--workers", type=int, default=2, help="of the last speed row")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    cv2.setNumThreads(1)
    keep_freed_memory()  # as in a worker; helps the floor, too
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        faces = enlarge_faces(args.data / "faces/wo", args.faces, args.size, Path(scratch))
        stores = open_stores(args.data / "occluders", Path(scratch))
        logging.info("%d faces of %d px; ratio, ours / theirs a sample", len(faces), args.size)
        for row in speed_rows(faces, stores, args.rounds):
            logging.info("%s", row)
        logging.info("%s", worker_row(faces, stores, args.workers, Path(scratch)))
        for line in quality_rows(faces, stores):
            logging.info("%s", line)


def enlarge_faces(folder: Path, count: int, size: int, scratch: Path) -> ImageSet:
    """Write the first faces of a set anew at another size."""
    faces = ImageSet(folder)

    def samples() -> Iterator[tuple[str, dict[str, bytes]]]:
        for key in faces.keys[:count]:
            image = cv2.resize(faces.image(key), (size, size), interpolation=cv2.INTER_CUBIC)
            cover = cv2.resize((faces.seg_map(key) == 1) * np.uint8(255), (size, size))
            parts = {"jpg": encode_jpeg(image, 95), "png": encode_png((cover >= 128) * np.uint8(1))}
            yield key, parts | {"json": encode_record({})}

    info = {"kind": "faces", "name": "enlarged", "sources": []}
    return write_image_set(scratch / "faces", samples(), info=info)


def open_stores(folder: Path, scratch: Path) -> Stores:
    """Open hands, objects and textures."""
    methods = {"hands": "natocc", "objects": "natocc", "textures": "randocc"}
    return {
        kind: open_store(ImageSet(folder / kind), method, scratch / f"{kind}.bin")
        for kind, method in methods.items()
    }


def speed_rows(faces: ImageSet, stores: Stores, rounds: int) -> Iterator[Row]:
    """Time each kind of sample against the codecs, and the transfer against the published one."""
    floor = codec_floor(faces)
    for kind, name in (("hands", "hand"), ("objects", "object"), ("textures", "RandOcc")):
        ours = ours_on(faces, stores[kind], paper_params(kind))
        yield compare(f"{name}, no transfer, over decode + encode", ours, floor, rounds, "<= 2.2")
        theirs = published_on(faces, stores[kind])
        yield compare(f"  published {name}, over decode + encode", theirs, floor, 1, "")
    harmonised = ours_on(
        faces, stores["objects"], paper_params("objects", harmonisation=STATISTICS)
    )
    yield compare("object + harmonisation, over decode + encode", harmonised, floor, rounds, "")
    coloured = ours_on(faces, stores["hands"], paper_params("hands", colour_transfer=SOT))
    yield compare("hand + transfer, over decode + encode", coloured, floor, rounds, "")
    yield transfer_row(faces, stores["hands"], coloured)


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
    cutout = store[int(rng.integers(len(store)))].levels[0]
    mask = np.where(cutout[..., 3] >= 128, 255, 0).astype(np.uint8)
    return published.cut_out(cutout[..., :3], mask), mask


def compare(
    name: str, ours: Callable[[], int], theirs: Callable[[], int], rounds: int, target: str
) -> Row:
    """Time two functions alternately; the ratio is the median over the rounds."""
    for warm_up in (ours, theirs):
        warm_up()
    times = [(cpu_ms(ours), cpu_ms(theirs)) for _ in range(rounds)]
    ratio = statistics.median(one / other for one, other in times)
    middles = (statistics.median(side) for side in zip(*times, strict=True))
    return Row(name, ratio, *middles, target=target)


def cpu_ms(run: Callable[[], int]) -> float:
    """Return the CPU time of one sample in milliseconds."""
    started = time.process_time()
    count = run()
    return (time.process_time() - started) / count * 1e3


def transfer_row(
    faces: ImageSet, hands: OccluderStore | TextureStore, ours: Callable[[], int]
) -> Row:
    """Compare a hand with transfer, file to file, with the published transfer of one hand."""
    assert isinstance(hands, OccluderStore)
    key, rng = faces.keys[0], np.random.default_rng(0)
    face, face_mask = faces.image(key), faces.seg_map(key) == 1
    cutout = hands[0].levels[0]
    hand, hand_mask = np.ascontiguousarray(cutout[..., :3]), cutout[..., 3] >= 128
    started = time.process_time()
    change = published.transport(face, face_mask, hand, hand_mask, rng)
    moved = time.process_time()
    _, share = published.shifted_mean(change, PUBLISHED_ROWS)
    theirs_ms = (moved - started + (time.process_time() - moved) / share) * 1e3
    ours_ms = cpu_ms(ours)
    name = f"hand + transfer against published ({hand_mask.size / 1e6:.2f} Mpx hand)"
    return Row(name, theirs_ms / ours_ms, ours_ms, theirs_ms, ">= 1200")


def worker_row(faces: ImageSet, stores: Stores, workers: int, scratch: Path) -> Row:
    """Compare the samples a second of several worker processes with those of one."""
    seconds = [pool_ms(faces, stores, count, scratch) for count in (workers, 1)]
    name = f"{workers} workers against one ({os.cpu_count()} cores)"
    return Row(name, seconds[1] / seconds[0], seconds[0], seconds[1], ">= 1.8")


def pool_ms(faces: ImageSet, stores: Stores, workers: int, scratch: Path) -> float:
    """Return the milliseconds a sample in a pool, its start left out."""
    folder = scratch / f"pool_{workers}"
    folder.mkdir(parents=True)
    params = paper_params("hands")
    tasks = [
        ShardTask(folder, number, tuple(faces.keys), faces, stores["hands"], params)
        for number in range(8 * workers)
    ]
    finished = []
    for _ in run_tasks(tasks, workers, always_pool=True):
        finished.append(time.perf_counter())
    elapsed = finished[-1] - finished[workers - 1]
    return elapsed / ((len(tasks) - workers) * len(faces)) * 1e3


if __name__ == "__main__":
    main()
