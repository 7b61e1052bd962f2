"""A tiny pipeline on drawn releases, whose stages run as processes that can be killed."""

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import psutil
from ruamel.yaml import YAML

from face_occlusion.apps.profiles import compose
from tests.conftest import ROOT
from tests.test_data_stages import TINY
from tests.training.conftest import MODELS, TRAIN


class Step(NamedTuple):
    """A stage: its arguments, of which the last is what it writes."""

    stage: str
    arguments: tuple[str, ...]

    @property
    def out(self) -> str:
        return self.arguments[-1]


def step(stage: str, *arguments: str) -> Step:
    return Step(stage, arguments)


RUN = "segformer_c_wo"
RAW = "data/raw/celebamask_hq"
CHAIN = {
    "download": step("download", "celebamask_hq", RAW),
    "download hands": step("download", "hands_11k", "data/raw/hands_11k"),
    "download objects": step("download", "coco", "data/raw/coco"),
    "download realocc": step("download", "realocc", "data/raw/realocc"),
    "corrections": step("corrections", RAW, "data/corrections"),
    "faces": step("faces", RAW, "data/corrections", "data/faces"),
    "occluders": step("occluders", "hands", "data/raw/hands_11k", "data/occluders/hands"),
    "occluders objects": step("occluders", "objects", "data/raw/coco", "data/cutouts/objects"),
    "superresolution": step("superresolution", "data/cutouts/objects", "data/occluders/objects"),
    "benchmarks": step(
        "benchmarks",
        "realocc",
        "data/raw/realocc",
        "annotations/landmarks",
        "data/benchmarks/realocc",
    ),
    "generate": step(
        "generate", "natocc_hand", "data/faces/wo", "data/occluders/hands", "data/sets/natocc_hand"
    ),
    "combine": step("combine", "data", "data/combinations"),
    "train": step("train", RUN, "data/combinations", "data", "models"),
    "evaluate": step("evaluate", RUN, "models", "data/benchmarks", "scores"),
    "overlap": step("overlap", "data", "overlap.json"),
}
STAGES = tuple(dict.fromkeys(one.stage for one in CHAIN.values()))


def write_params(folder: Path) -> None:
    """Write the miniature's parameters, smaller still."""
    yaml = YAML(typ="safe")
    params = yaml.load(compose(ROOT / "profiles", "miniature"))
    params["download"]["miniature"].update(TINY)
    params["faces"] |= {"size_px": 64, "samples_per_shard": 1}
    params["occluders"]["objects"]["num_objects"] = 2
    params["occluders"]["objects"]["selection"].update(min_area_px=20, min_side_px=4)
    params["generate"]["natocc_hand"]["samples_per_shard"] = 1
    combinations = {"c_wo": params["combinations"]["c_wo"]}
    for name in ("evaluate", "overlap"):
        params[name]["benchmarks"] = ["realocc"]
    params |= {"combinations": combinations, "models": MODELS, "train": TRAIN}
    params["runs"] = {RUN: {"model": "segformer", "combination": "c_wo"}}
    folder.mkdir(parents=True, exist_ok=True)
    yaml.dump(params, folder / "params.yaml")
    (folder / "annotations" / "corrections").mkdir(parents=True)


def start(folder: Path, name: str) -> subprocess.Popen[str]:
    """Start a stage as DVC does."""
    one = CHAIN[name]
    return subprocess.Popen(
        [sys.executable, "-m", f"stages.{one.stage}", *one.arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for a stage; return its status and the last line that it wrote to stderr."""
    _, errors = process.communicate(timeout=120)
    return process.returncode, errors.strip().rpartition("\n")[2]


def files_of(folder: Path) -> dict[str, bytes]:
    """Return the files below a folder, or the file; what is unfinished is left out."""
    paths = folder.rglob("*") if folder.is_dir() else [folder]
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in paths
        if path.is_file() and ".partial" not in str(path)
    }


def clear(folder: Path, name: str) -> None:
    """Delete what a stage writes, as DVC does before it runs one."""
    out = folder / CHAIN[name].out
    shutil.rmtree(out) if out.is_dir() else out.unlink(missing_ok=True)


def copy_inputs(made: Path, folder: Path, name: str) -> None:
    """Link everything that was made, but what this stage writes, into a new working folder."""
    shutil.copytree(made, folder, copy_function=os.link, dirs_exist_ok=True)
    shutil.rmtree(folder / ".scratch", ignore_errors=True)
    clear(folder, name)


def kill(process: subprocess.Popen[str], after_s: float) -> bool:
    """Kill a stage after a while, and wait for its workers; return whether it was still running."""
    time.sleep(after_s)
    was_running = process.poll() is None
    parent = psutil.Process(process.pid) if was_running else None
    children = parent.children(recursive=True) if parent else []
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(children, timeout=20)
    if alive:
        raise AssertionError(f"workers outlive their parent: {alive}")
    return was_running


def seeded(name: str) -> random.Random:
    """Return random numbers; the seed is printed, and FAULTS_SEED repeats them."""
    seed = int(os.environ.get("FAULTS_SEED", time.time_ns() % 10**6))
    print(f"{name}: FAULTS_SEED={seed}")
    return random.Random(f"{seed} {name}")
