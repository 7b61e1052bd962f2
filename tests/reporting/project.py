"""A made-up project: tiny drawn image sets, score files and logs, for tests of the report."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from face_occlusion.core.images import decode_image, encode_jpeg
from face_occlusion.core.imageset import ImageSet
from face_occlusion.core.params import build, read_yaml
from face_occlusion.evaluation.evaluate import evaluate_run
from face_occlusion.evaluation.scores import RunScores, write_scores
from face_occlusion.generation import GenerateParams
from face_occlusion.generation.generate import generate_set
from face_occlusion.overlap.compare import find_overlap, write_overlap
from face_occlusion.reporting.inputs import ReportParams, Sections
from tests.conftest import ROOT, with_changes
from tests.evaluation.conftest import PARAMS, ready
from tests.generation.drawn import draw_hand, write_drawn, write_objects, write_textures
from tests.tiny import write_params
from tests.training.conftest import draw_face

PAPER = ROOT / "profiles" / "paper.yaml"
SHAPE = (40, 48)  # H != W, so swapped axes show
ABOUT = read_yaml(ROOT / "tests" / "reporting" / "project.yaml")
BLINDNESS: dict[str, float] = ABOUT["blindness"]
NUM_IMAGES: dict[str, int] = ABOUT["num_images"]
KINDS = ("mask", "sunglasses", "microphone")


def sections() -> Sections:
    """The paper's grid with a light report."""
    raw = read_yaml(PAPER)
    report = with_changes(raw["report"], ABOUT["report"])
    report["breakdown"]["occluder_kinds"] = str(ROOT / report["breakdown"]["occluder_kinds"])
    return Sections(
        profile="made-up",
        report=build("report", report, ReportParams),
        **{key: raw[key] for key in ("runs", "combinations", "models")},
    )


def draw(number: int, *, occluded: bool) -> dict[str, np.ndarray]:
    """Draw a face, with a square thing before it."""
    rng = np.random.default_rng([number, 5])
    image, whole = draw_face(rng, *SHAPE)
    occluder = np.zeros_like(whole)
    if occluded:
        side = int(rng.uniform(0.25, 0.5) * SHAPE[0])
        y, x = (int(rng.integers(0, size - side)) for size in SHAPE)
        cv2.rectangle(occluder, (x, y), (x + side, y + side), (1,), -1)
        image[occluder == 1] = rng.integers(0, 255, 3)
    return {"image": image, "face": whole & ~occluder & 1, "occluder": occluder & whole}


def write_sets(data: Path) -> None:
    """Write every image set that the report opens."""

    def write(name: str, kind: str, count: int, **info: object) -> None:
        info |= {} if count else {"absent": "the release is not there"}
        samples = (_sample(kind, name, number) for number in range(count))
        write_drawn(data / name, kind, Path(name).name, samples, **info)

    counts = {"wo": 9, "wo_test": 3, "o": 5, "excluded": 2}
    for name in ("wo", "wo_test", "o"):
        write(f"faces/{name}", "faces", counts[name], counts=counts)
    for name, count in NUM_IMAGES.items():
        write(f"benchmarks/{name}", "benchmark", count)
    write_generated(data)


def write_generated(data: Path) -> None:
    """Write occluders, hands of two sources among them, and the five sets made of them."""
    hands = []
    for number, colour in enumerate(2 * ((235, 200, 175), (120, 80, 60))):
        hand = {"rgba.png": draw_hand(colour, height=60 + number, width=40)}
        record = {"pointing_deg": 90.0, "enters": "top", "source": f"hands_{number // 2}"}
        hands.append((f"hand{number}", hand, record))
    write_drawn(data / "occluders" / "hands", "cutouts", "hands", hands)
    write_objects(data / "occluders" / "objects")
    write_textures(data / "occluders" / "textures")
    faces = ImageSet(data / "faces" / "wo")
    for name, raw in read_yaml(PAPER)["generate"].items():
        raw |= {"second_prob": 0.5 * (name == "randocc_1")}
        params = build(f"generate.{name}", raw, GenerateParams)
        occluders = ImageSet(data / "occluders" / params.occluders)
        generate_set(faces, occluders, data / "sets" / name, params, workers=1)


def _sample(kind: str, name: str, number: int) -> tuple[str, dict, dict]:
    drawn = draw(number, occluded=kind != "faces" or name.endswith("/o"))
    parts = {"jpg": drawn["image"], "png": drawn["face"]}
    record = {"occluder_kind": KINDS[number % 3], "covered_frac": 0.25}
    if kind == "faces":
        parts["original.png"] = drawn["face"] | drawn["occluder"]
        record = {"face_frac": drawn["face"].mean(), "changed_frac": drawn["occluder"].mean()}
    return f"{number:05d}", parts, record


@cache
def numbers() -> dict[bytes, int]:
    """Return the number of every image that a benchmark shows, by its pixels."""
    drawn = (draw(number, occluded=True)["image"] for number in range(max(NUM_IMAGES.values())))
    return {decode_image(encode_jpeg(x, 95), "x").tobytes(): n for n, x in enumerate(drawn)}


class Drawn:
    """A made-up network, which takes some of the occluder for face."""

    def __init__(self, blindness: float) -> None:
        self.blindness = blindness

    def preprocess(self, images: Sequence[np.ndarray], *, tta: bool) -> Sequence[np.ndarray]:
        return images

    def predict_async(
        self, prepared: Sequence[np.ndarray], _: object
    ) -> list[Callable[[], np.ndarray]]:
        return [ready(self.predict(numbers()[image.tobytes()])) for image in prepared]

    def predict(self, number: int) -> np.ndarray:
        """Make up an (H, W) float32 prediction."""
        drawn = draw(number, occluded=True)
        taken = np.random.default_rng([number, 11]).random(SHAPE) < self.blindness
        probability = np.where(drawn["face"] == 1, 0.95, 0.05)
        probability[(drawn["occluder"] == 1) & taken] = 0.8
        return probability.astype(np.float32)


def write_run(root: Path, run: str, entry: dict, made: Sections) -> None:
    """Write a run's score file, counted by evaluation itself, its card and its log."""
    skill = {"pspnet": 1.0, "deeplabv3plus": 0.9, "segformer": 0.7}[entry["model"]]
    title = made.combinations[entry["combination"]]["title"]
    blindness = BLINDNESS[title]
    networks: Any = {"last": Drawn(blindness * skill), "best": Drawn(0.95 * blindness * skill)}
    folders = {name: root / "data" / "benchmarks" / name for name in NUM_IMAGES}
    benchmarks = evaluate_run(networks, folders, dataclasses.replace(PARAMS, preview_px=128))
    made_by = {"profile": made.profile, "run": run, "model": entry["model"], "combination": title}
    how = {"seed": 1, "headline": "last", "inference": {"input_px": 48}}
    scores = RunScores(**made_by, **how, benchmarks=benchmarks)
    write_scores(root / "scores" / f"{run}.json", scores)
    logs = root / "models" / run / "dvclive" / "plots" / "metrics"
    logs.mkdir(parents=True)
    (root / "models" / run / "card.json").write_text(json.dumps(ABOUT["card"] | {"run": run}))
    for name, first, falls in (
        ("loss", blindness / 9, -0.7),
        ("realocc_miou", 0.9 - blindness / 4, skill),
    ):
        rows = "".join(f"{step}\t{first - falls / step}\n" for step in range(4, 44, 4))
        (logs / f"{name}.tsv").write_text(f"step\t{name}\n{rows}")


def write_project(root: Path) -> None:
    """Write sets, scores, models and parameters below `root`."""
    made = sections()
    write_sets(root / "data")
    training = {name: ImageSet(root / "data" / name) for name in ("faces/wo", "faces/o")}
    names = [f"benchmarks/{name}" for name in NUM_IMAGES]
    benchmarks = {name: ImageSet(root / "data" / name) for name in names}
    overlap = find_overlap(training, benchmarks, max_bits=2, num_closest=2, workers=1)
    write_overlap(root / "overlap.json", overlap)  # the faces have one shape: pairs are close
    for run, entry in made.runs.items():
        write_run(root, run, entry, made)
    write_params(root / "params.yaml", dataclasses.asdict(made))
