"""Cost of importing faces and their masks, as ratios in one run: `python -m bench.importing`.

A release in the layout of CelebAMask-HQ (photographs of 1024x1024, part layers and corrected masks
of 512x512) is made by repeating a few faces: those of a `CelebAMask-HQ.zip`, or drawn ones. The
floor is decoding and encoding alone: of the same files, nothing read, built, compared or written.

Each ratio is the median over rounds in which both sides run in turn, by CPU time on one core and
by the clock on several. Peak memory is that of fresh processes, for N faces and for 4 N.
"""

import argparse
import functools
import json
import logging
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import cv2
import numpy as np

from face_occlusion.core.classes import resize_seg_map
from face_occlusion.core.images import decode_image, decode_mask, encode_jpeg, encode_png
from face_occlusion.core.imageset import ImageSet
from face_occlusion.core.parallel import ordered_map
from face_occlusion.core.release import Release
from face_occlusion.faces.celebamask_hq import find_corrected, find_layers, list_images
from face_occlusion.faces.correction import CorrectionsParams
from face_occlusion.faces.corrections import import_corrections
from face_occlusion.faces.faces import FacesParams, import_faces
from face_occlusion.miniature import MiniatureParams, draw_release

PHOTO_PX, LAYER_PX = 1024, 512  # of the release
CORRECTIONS = CorrectionsParams(folder="annotations/corrections", labels={"face": "face"})
DRAWN = 12  # faces that are drawn where no archive is given


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--archives", type=Path, help="folder of a CelebAMask-HQ release to repeat")
    parser.add_argument("--images", type=int, default=600, help="faces in each import")
    parser.add_argument(
        "--size", type=int, default=0, help="side of the imported faces; 0 keeps it"
    )
    parser.add_argument("--rounds", type=int, default=3, help="alternations of both sides")
    parser.add_argument("--workers", type=int, default=2, help="processes of the second row")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)  # of a process of its own
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    cv2.setNumThreads(1)
    params = FacesParams(
        size_px=args.size,
        jpeg_quality=95,
        samples_per_shard=256,
    )
    if args.measure is not None:
        print(json.dumps(measure_memory(args.measure, params, args.workers)))
        return
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        faces = Path(scratch) / "faces"
        collect_faces(args.archives, faces)
        release = repeat_faces(faces, Path(scratch) / "n", args.images)
        logging.info("%d faces; import, floor: ms a face", args.images)
        for workers in (1, args.workers):
            logging.info("%s", speed_row(release, params, workers, args.rounds))
        for count in (args.images, 4 * args.images):
            folder = repeat_faces(faces, Path(scratch) / str(count), count).folder
            logging.info("%s", memory_row(folder, count, args))
            shutil.rmtree(folder)


def collect_faces(archives: Path | None, folder: Path) -> None:
    """Write some faces as files of the release's sizes: photographs, layers, corrected masks."""
    raw = folder / "raw"
    if archives is None:
        few = dict.fromkeys(("num_hands", "num_objects", "num_textures", "num_benchmark"), 1)
        drawn = MiniatureParams(
            seed=1, num_wo_train=DRAWN - 2, num_wo_test=1, num_o=1, face_px=PHOTO_PX, **few
        )
        draw_release("celebamask_hq", folder / "archives", drawn)
        archives = folder / "archives"
    raw.mkdir(parents=True)
    shutil.copy(archives / "CelebAMask-HQ.zip", raw)
    (raw / "release.json").write_text(json.dumps({"source": "celebamask_hq"}))
    release = Release(raw)
    numbers = sorted(list_images(release))[:DRAWN]
    for index, number in enumerate(numbers):
        name = list_images(release)[number]
        photo = decode_image(release.read(name), name)
        photo = cv2.resize(photo, (PHOTO_PX, PHOTO_PX), interpolation=cv2.INTER_CUBIC)
        (folder / f"{index}.jpg").write_bytes(encode_jpeg(photo, 92))
        for layer in release.glob(f"*/{number:05d}_*.png"):
            mask = decode_mask(release.read(layer), layer)
            mask = cv2.resize(mask, (LAYER_PX, LAYER_PX), interpolation=cv2.INTER_NEAREST)
            part = layer.rpartition("/")[2].partition("_")[2]
            (folder / f"{index}_{part}").write_bytes(encode_png(mask))


def repeat_faces(faces: Path, folder: Path, count: int) -> Release:
    """Write a release of `count` faces, of which all but two are in the list of WO train."""
    folder.mkdir()
    (folder / "release.json").write_text(json.dumps({"source": "celebamask_hq"}))
    files = [
        (path.read_bytes(), {p.name.partition("_")[2]: p.read_bytes() for p in layers})
        for index in range(DRAWN)
        if (path := faces / f"{index}.jpg").is_file()
        and (layers := sorted(faces.glob(f"{index}_*.png")))
    ]
    corrected = folder / "CelebAMask-HQ-masks_corrected"
    corrected.mkdir()
    with zipfile.ZipFile(folder / "CelebAMask-HQ.zip", "w") as archive:
        for number in range(count):
            photo, layers = files[number % len(files)]
            archive.writestr(f"CelebAMask-HQ/CelebA-HQ-img/{number}.jpg", photo)
            for part, mask in layers.items():
                anno = f"CelebAMask-HQ/CelebAMask-HQ-mask-anno/{number // 2000}"
                archive.writestr(f"{anno}/{number:05d}_{part}", mask)
            (corrected / f"{number}.png").write_bytes(layers["skin.png"])
    lists = {"WO-train": range(count - 2), "WO-test": [count - 2], "O": [count - 1]}
    for name, numbers in lists.items():
        (folder / f"CelebAMask-HQ-{name}.txt").write_text("".join(f"{n}.jpg\n" for n in numbers))
    return Release(folder)


def import_all(release: Release, folder: Path, params: FacesParams, workers: int) -> ImageSet:
    """Run what the stages `corrections` and `faces` run. Returns the faces of WO train."""
    with mock.patch("face_occlusion.core.parallel.num_workers", return_value=workers):
        masks = import_corrections(release, folder / "masks", CORRECTIONS, {})
        return import_faces(release, masks, folder / "faces", params)["wo"]


def decode_and_encode(names: list[str], release: Release, params: FacesParams) -> int:
    """Decode a face's files (photograph, masks) and encode what an import writes.

    Returns:
        The number of bytes encoded.
    """
    contents = [release.read(name) for name in names]
    photo = decode_image(contents[0], names[0])
    masks = [decode_mask(content, names[0]) for content in contents[1:]]
    size = params.size_px or photo.shape[0]
    encoded = 0
    if size != photo.shape[0]:
        small = cv2.resize(photo, (size, size), interpolation=cv2.INTER_AREA)
        encoded += len(encode_jpeg(small, params.jpeg_quality))
    for mask in masks[:2]:  # the corrected mask, and one for the original
        encoded += len(encode_png(resize_seg_map((mask > 0).astype(np.uint8), (size, size))))
    return encoded


def speed_row(release: Release, params: FacesParams, workers: int, rounds: int) -> str:
    """Time importing against the floor, in turn."""
    clock = time.process_time if workers == 1 else time.perf_counter
    images = list_images(release)
    corrected, layers = find_corrected(release, images), find_layers(release, images)
    faces = [[images[n], corrected[n], *layers[n].values()] for n in sorted(images)]
    floor = functools.partial(decode_and_encode, release=release, params=params)
    times: list[tuple[float, float]] = []
    for number in range(rounds):
        out = release.folder.with_name(f"out{number}")
        ours = timed(clock, lambda out=out: import_all(release, out, params, workers))
        theirs = timed(clock, lambda: sum(ordered_map(floor, faces, desc="floor", workers=workers)))
        shutil.rmtree(out)
        times.append((1e3 * ours / len(faces), 1e3 * theirs / len(faces)))
    ratio = statistics.median(ours / theirs for ours, theirs in times)
    ours, theirs = (statistics.median(side) for side in zip(*times, strict=True))
    what = f"{workers} core{'s' if workers > 1 else ''}"
    return f"{what:<10} {ratio:5.2f} x   {ours:6.2f} / {theirs:6.2f} ms   target 1.5"


def timed(clock: Callable[[], float], function: Callable[[], object]) -> float:
    """Return the seconds a call takes."""
    start = clock()
    function()
    return clock() - start


def measure_memory(folder: Path, params: FacesParams, workers: int) -> dict[str, float]:
    """Import, and return the peak memory of this process and of its largest child, MiB."""
    out = folder.with_name("memory")
    assert_is_read(import_all(Release(folder), out, params, workers))
    shutil.rmtree(out)
    worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    # VmHWM, not ru_maxrss: that one starts at the peak of the process this one was started by
    status = Path("/proc/self/status").read_text()
    return {"parent": int(status.partition("VmHWM:")[2].split()[0]) / 1024, "worker": worker / 1024}


def assert_is_read(image_set: ImageSet) -> None:
    """Read the last sample, so that what was measured is a whole import."""
    image_set.image(image_set.keys[-1])


def memory_row(folder: Path, count: int, args: argparse.Namespace) -> str:
    """Measure the peak memory of an import in a process of its own."""
    command = [sys.executable, "-m", "bench.importing", "--measure", str(folder)]
    command += ["--size", str(args.size), "--workers", str(args.workers)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    peaks = json.loads(output.splitlines()[-1])
    return (
        f"{count:6d} faces: peak {peaks['parent']:.0f} MiB, of a worker {peaks['worker']:.0f} MiB"
    )


if __name__ == "__main__":
    main()
