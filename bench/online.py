"""Speed of occlusion while training: painting alone, and training with it.

`python -m bench.transforms` prints these tables after its own. Faces and occluders are those of the
pipeline; faces are enlarged to what a network's input is made from. Of several rounds taken in
turn, each row shows its fastest.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.logging import MMLogger
from ruamel.yaml import YAML

from bench.training import (
    DEVICE,
    loading_step,
    our_side,
    seconds,
)
from face_occlusion.core.combination import Online, OpenPart
from face_occlusion.core.images import encode_jpeg, encode_png
from face_occlusion.core.imageset import ImageSet, encode_record, write_image_set
from face_occlusion.core.params import load_params, read_yaml
from face_occlusion.generation.params import GenerateParams
from face_occlusion.online.occlusion import OnlineOcclusion, online_set, open_online, plan_online
from face_occlusion.online.painting import Painter, compile_painter
from face_occlusion.training.architectures import ARCHITECTURES
from face_occlusion.training.augmentation import Augmentations
from face_occlusion.training.dataset import FaceDataset, build_loader, collate
from face_occlusion.training.recipe import resolve
from face_occlusion.training.settings import TrainParams

FACES = "faces/wo"
NUM_FACES = 64
ROWS = {
    "NatOcc-SOT": ["natocc_hand_sot", "natocc_object"],
    "RandOcc": ["randocc_1", "randocc_2"],
    "Mix": ["natocc_hand_sot", "natocc_object", "randocc_1"],
}


def print_tables(data: Path, params: Path, size: int, rounds: int) -> None:
    """Print what this machine can show: a GPU's rates, or a CPU's times.

    Args:
        data: Folder of the image sets.
        params: A profile's parameters, of the networks and of the sets.
        size: Side of the images that are painted, in pixels.
        rounds: Repetitions of each timing.
    """
    MMLogger.get_current_instance().setLevel("WARNING")
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        if DEVICE.type == "cuda":
            print(f"\n{torch.cuda.get_device_name()}, torch {torch.__version__}, {size} px\n")
            for line in painting_rows(data, params, Path(scratch), size, rounds):
                print(line, flush=True)
        rows = training_rows if DEVICE.type == "cuda" else reading_rows
        print(f"\ntraining on {DEVICE.type}, {params}\n")
        for line in rows(data, params, Path(scratch), rounds):
            print(line, flush=True)


def occlusion(
    sets: Sequence[str], data: Path, params: Path, scratch: Path, side_px: int, share: float
) -> OnlineOcclusion:
    """Open the occlusion of some sets of a profile."""
    chosen = [
        online_set(name, load_params(params, f"generate.{name}", GenerateParams), data)
        for name in sets
    ]
    online = Online(sets=chosen, share=share, code=plan_online([], share, data).code)
    on_gpu = DEVICE.type == "cuda"
    folder = scratch / "-".join(sets)
    return open_online(online, data, folder, side_px=side_px, seed=1, on_gpu=on_gpu)


def painting_rows(data: Path, params: Path, scratch: Path, size: int, rounds: int) -> Iterator[str]:
    """Measure painting alone, a batch of 64 resident on the GPU, recorded as one CUDA graph."""
    faces = ImageSet(data / FACES)
    shape = (size, size)
    pairs = [
        (
            cv2.resize(faces.image(key), shape, interpolation=cv2.INTER_CUBIC),
            cv2.resize(faces.seg_map(key), shape, interpolation=cv2.INTER_NEAREST),
        )
        for key in faces.keys[:NUM_FACES]
    ]
    yield "| painted | images/s | as plain PyTorch | drawn on one core, images/s |"
    for title, sets in ROWS.items():
        occlude = occlusion(sets, data, params, scratch, size, share=1.0)
        assert occlude.atlas is not None and occlude.sizes is not None
        start = time.perf_counter()
        samples = [one(occlude, *pair, n) for n, pair in enumerate(pairs)]
        draw = time.perf_counter() - start
        painted = sum(float(sample["numbers"][0]) for sample in samples)
        batch = {name: value.to(DEVICE) for name, value in collate(samples).items()}
        painter = Painter(torch.from_numpy(occlude.atlas.pixels).to(DEVICE), occlude.sizes)
        rates = []
        for paint in (compile_painter(painter), painter):
            step = recorded(paint, batch)
            rates.append(len(pairs) / min(seconds(step, 20) for _ in range(rounds)))
        yield (
            f"| {title} ({painted:.0f} of {len(pairs)}) | {rates[0]:,.0f} | {rates[1]:,.0f} "
            f"| {len(pairs) / draw:,.0f} |"
        )


def one(occlude: OnlineOcclusion, image: np.ndarray, seg_map: np.ndarray, number: int) -> Any:
    """Draw one sample, as a dataset does."""
    drawn = occlude(image, seg_map, number, is_unoccluded=True)
    return drawn | {"augmentations": [0.0] * len(Augmentations._fields)}


def recorded(
    paint: Callable[..., tuple[torch.Tensor, torch.Tensor]], batch: Mapping[str, torch.Tensor]
) -> Callable[[], None]:
    """Return the painting of a batch as one recorded graph."""
    images = batch["inputs"].permute(0, 3, 1, 2)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            paint(images, batch["seg_maps"], batch)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        paint(images, batch["seg_maps"], batch)
    return graph.replay


def training_rows(data: Path, path: Path, scratch: Path, rounds: int) -> Iterator[str]:
    """Measure training online on a GPU, beside a batch that lies in its memory."""
    train = load_params(path, "train", TrainParams)
    part = enlarged(ImageSet(data / FACES), scratch / "faces" / "wo", 2 * train.input_px)
    yield "| network | resident batch, images/s | online, images/s | ratio |"
    for name in ARCHITECTURES:
        params = load_params(path, f"models.{name}", ARCHITECTURES[name])
        config = resolve(params, train, distributed=False)
        occlude = occlusion(ROWS["NatOcc-SOT"], data, path, scratch, train.input_px, share=2 / 3)
        batches = iter(build_loader(FaceDataset([part], train, occlude)))
        plain = next(iter(build_loader(FaceDataset([part], train))))
        resident = our_side(config, plain, train, accelerated=True)
        online = our_side(config, next(batches), train, accelerated=True)
        occlude.attach(online.model, compiled=True)
        steps = [resident.step, loading_step(online, batches)]
        for step in steps:  # compiles and records
            seconds(step, 5)
        times = [[seconds(step, 40) for step in steps] for _ in range(rounds)]
        rates = [train.batch_size / min(taken) for taken in zip(*times, strict=True)]
        yield f"| {name} | {rates[0]:.1f} | {rates[1]:.1f} | {rates[1] / rates[0]:.3f} |"


def reading_rows(data: Path, path: Path, scratch: Path, rounds: int) -> Iterator[str]:
    """Measure a CPU's reading of a batch, and the whole stage, online and from sets."""
    train = load_params(path, "train", TrainParams)
    faces, sets = part_of(data, FACES), ROWS["NatOcc-SOT"]
    ways = {
        "sets": ([faces, *(part_of(data, f"sets/{name}") for name in sets)], None),
        "online": ([faces], occlusion(sets, data, path, scratch, train.input_px, share=2 / 3)),
    }
    reading: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, (parts, occlude) in ways.items():
            batches = iter(build_loader(FaceDataset(parts, train, occlude)))
            start = time.process_time()
            for _ in range(train.iterations):
                next(batches)
            reading[way].append((time.process_time() - start) / train.iterations)
    from_sets, online = (1e3 * min(taken) for taken in reading.values())
    yield f"reading a batch: {from_sets:.1f} ms from sets, {online:.1f} ms online (of the CPU)\n"
    yield "| network | stage `train` from sets, s | online, s | ratio, median of rounds |"
    write_runs(path, scratch, sets)
    run_stage(scratch, "combine", data.resolve(), "combinations")
    for name in ARCHITECTURES:
        times = [
            [stage_seconds(scratch, f"{name}_{way}", data.resolve()) for way in ways]
            for _ in range(rounds)
        ]
        from_sets, online = (statistics.median(taken) for taken in zip(*times, strict=True))
        ratios = sorted(slow / fast for fast, slow in times)
        yield (
            f"| {name} | {from_sets:.1f} | {online:.1f} "
            f"| {statistics.median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f}) |"
        )


def write_runs(path: Path, folder: Path, sets: Sequence[str]) -> None:
    """Write a profile's parameters with two runs of each network: from sets, and online."""
    params = read_yaml(path)
    of_sets = {"masks": "corrected", "data": [FACES, *(f"sets/{name}" for name in sets)]}
    online = {"masks": "corrected", "data": [FACES], "online": list(sets), "share": 2 / 3}
    params["combinations"] = {
        way: {"title": way, **chosen} for way, chosen in (("sets", of_sets), ("online", online))
    }
    params["runs"] = {
        f"{name}_{way}": {"model": name, "combination": way}
        for name in ARCHITECTURES
        for way in params["combinations"]
    }
    YAML(typ="safe").dump(params, folder / "params.yaml")


def stage_seconds(folder: Path, run: str, data: Path) -> float:
    """Train a run anew by its stage, and return how long that took, imports and scores included."""
    shutil.rmtree(folder / "models", ignore_errors=True)
    start = time.perf_counter()
    run_stage(folder, "train", run, "combinations", data, "models")
    return time.perf_counter() - start


def run_stage(folder: Path, stage: str, *arguments: str | Path) -> None:
    """Run a stage of this repository in another folder; what it says is shown if it fails."""
    command = [sys.executable, "-m", f"stages.{stage}", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: failed\n{done.stdout}{done.stderr}")


def part_of(data: Path, entry: str) -> OpenPart:
    """Open an image set of the pipeline."""
    images = ImageSet(data / entry)
    return OpenPart(entry, images, "png", images.keys)


def enlarged(faces: ImageSet, folder: Path, side: int) -> OpenPart:
    """Write faces at a size that decodes as slowly as photographs do: enlarged, with noise."""
    rng = np.random.default_rng(0)

    def samples() -> Iterator[tuple[str, dict[str, bytes]]]:
        for key in faces.keys[:NUM_FACES]:
            image = cv2.resize(faces.image(key), (side, side), interpolation=cv2.INTER_CUBIC)
            noisy = image + rng.normal(0, 3, (side, side, 1))
            seg_map = cv2.resize(faces.seg_map(key), (side, side), interpolation=cv2.INTER_NEAREST)
            yield (
                key,
                {
                    "jpg": encode_jpeg(noisy.clip(0, 255).astype(np.uint8), 95),
                    "json": encode_record({}),
                    "png": encode_png(seg_map),
                },
            )

    write_image_set(folder, samples(), info={"kind": "faces", "name": "enlarged", "sources": []})
    images = ImageSet(folder)
    return OpenPart(FACES, images, "png", images.keys)
