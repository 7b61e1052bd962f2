"""Occlusion while training: what a run sees, and the painter of batches beside the sets' code."""

import dataclasses
import json
import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from face_occlusion.core.classes import resize_seg_map
from face_occlusion.core.combination import Combination, open_parts, read_combination
from face_occlusion.core.images import resize_image
from face_occlusion.core.imageset import ImageSet, encode_record
from face_occlusion.generation import Texture, make_occluder, regenerate
from face_occlusion.generation.compositing import HALF
from face_occlusion.generation.generate import generate_set
from face_occlusion.generation.occlusion import draw_occlusion
from face_occlusion.generation.params import SOT, STATISTICS
from face_occlusion.generation.placement import make_layer
from face_occlusion.generation.store import read_occluder
from face_occlusion.online.drawing import Atlas, pack, sizes_of
from face_occlusion.online.occlusion import OnlineOcclusion, open_online, plan_online
from face_occlusion.online.painting import Painter, PaintingPreprocessor, compile_painter
from face_occlusion.training.dataset import FaceDataset, build_loader
from face_occlusion.training.loop import Job
from face_occlusion.training.run import train_run
from stages import combine
from tests.generation import drawn
from tests.generation.drawn import SHAPE, draw_disc, draw_face, draw_hand, draw_texture, params, rng
from tests.training import conftest as training
from tests.training.conftest import job, train_params

SIDE, NO_JPEG = 64, {"jpeg_prob": 0.0}
SETS = {
    "hands": drawn.params("hands", colour_transfer=SOT, occluder=NO_JPEG, second_prob=0.5),
    "objects": drawn.params("objects", harmonisation=STATISTICS, occluder=NO_JPEG),
    "textures": drawn.params("textures", transparent_prob=0.5, occluder=NO_JPEG),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    drawn.write_faces(folder / "faces/wo", radii_frac=(0.38, 0.42))
    drawn.write_occluders(folder / "occluders")
    for name, settings in SETS.items():
        occluders = ImageSet(folder / "occluders" / name)
        generate_set(ImageSet(folder / "faces/wo"), occluders, folder / "sets" / name, settings, 1)
    training.write_faces(folder / "faces/o", "faces", 4, seed=2)
    training.write_faces(folder / "benchmarks/realocc", "benchmark", 3, seed=4)
    return folder


def listed(data: Path, *entries: str, share: float = 0.75) -> Combination:
    plain = training.combination(data, *(entries or ("faces/wo",)))
    return dataclasses.replace(plain, online=plan_online(list(SETS), share, data))


def opened(
    listed: Combination, data: Path, folder: Path, *, on_gpu: bool = False
) -> OnlineOcclusion:
    assert listed.online is not None
    return open_online(listed.online, data, folder, side_px=SIDE, seed=7, on_gpu=on_gpu)


def test_the_stage_lists_what_occludes_and_training_refuses_anything_else(
    data, tmp_path, monkeypatch
):
    entry = "{title: test, masks: corrected, data: [faces/wo], online: [%s], share: 0.75}"
    section = entry % ", ".join(SETS)
    (tmp_path / "params.yaml").write_text(f"profile: x\ncombinations:\n  test: {section}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["combine", str(data), "out"])
    combine.main()
    row = listed(data)
    assert read_combination(Path("out/test.json")) == row
    online: Any = row.online
    other = dataclasses.replace(online.sets[0], sha256="other")
    for changed, message in (
        (dataclasses.replace(online, code="other"), "code that occludes has changed"),
        (dataclasses.replace(online, sets=[other]), "not the occluders"),
    ):
        with pytest.raises(ValueError, match=message):
            opened(dataclasses.replace(row, online=changed), data, tmp_path)


def test_a_sample_is_that_of_its_record(data, tmp_path):
    """Of unoccluded faces the share asked for is occluded; other photographs never are."""
    row, train = listed(data, "faces/wo", "faces/o"), train_params(input_px=SIDE)
    occlude = opened(row, data, tmp_path)
    samples = FaceDataset(open_parts(row, data), train, occlude)
    found, faces = [], 0
    for position in range(60):
        entry, key = samples.name_at(position).rsplit("/", 1)
        record, (image, seg_map) = samples.record_at(position), ImageSet(data / entry).sample(key)
        image = resize_image(image, (SIDE, SIDE))
        seg_map = resize_seg_map(seg_map, (SIDE, SIDE))
        if record is not None:
            assert entry == "faces/wo"
            record = json.loads(encode_record(record))
            folder = ImageSet(data / "occluders" / SETS[record["set"]].occluders)
            is_texture = record["set"] == "textures"
            for one in filter(None, (record.get("under"), record)):
                key = one["occluder"]
                item = Texture(key, folder.image(key)) if is_texture else read_occluder(folder, key)
                image, seg_map = regenerate(image, seg_map, item, one)
            found.append(record["set"] + ", two" * ("under" in record))
        faces += entry == "faces/wo"
        np.testing.assert_array_equal(samples[position]["image"], image)
        np.testing.assert_array_equal(samples[position]["seg_map"], seg_map)
    assert set(found) == {*SETS, "hands, two"} and 0.5 < len(found) / faces < 0.95


def test_a_gpus_batch_is_painted_to_the_images_that_readers_paint(data, tmp_path):
    """What occludes is pickled for the readers; the network's preprocessing then paints."""
    row = listed(data, "faces/wo", "faces/o")
    train, parts = train_params(input_px=SIDE, batch_size=12), open_parts(row, data)
    here, on_gpu = (opened(row, data, tmp_path, on_gpu=on_gpu) for on_gpu in (False, True))
    batches = [
        next(iter(build_loader(FaceDataset(parts, train, occlude))))
        for occlude in (here, pickle.loads(pickle.dumps(here)), pickle.loads(pickle.dumps(on_gpu)))
    ]
    for name in ("inputs", "seg_maps"):
        assert torch.equal(batches[0][name], batches[1][name])
    network: Any = training.random_network("pspnet")
    network.data_preprocessor.augment = lambda images, seg_maps, *_: (images, seg_maps)
    on_gpu.attach(network, compiled=False)
    assert isinstance(network.data_preprocessor, PaintingPreprocessor)
    painted = network.data_preprocessor(batches[2], True)
    images = painted["inputs"].permute(0, 2, 3, 1)
    assert (images.int() - batches[0]["inputs"].int()).abs().float().mean() < 0.5
    assert not torch.equal(batches[2]["inputs"], batches[0]["inputs"])
    assert (painted["seg_maps"] != batches[0]["seg_maps"]).sum() <= 2


def test_an_interrupted_run_ends_as_if_nothing_had_happened(data, tmp_path, monkeypatch):
    plain = job("pspnet", "faces/wo", data=data, iterations=6, num_threads=1, input_px=SIDE)
    made = dataclasses.replace(plain, combination=listed(data))

    def open_row(made: Job, data: Path, folder: Path) -> OnlineOcclusion:
        return opened(made.combination, data, folder)

    def train(out: str) -> None:
        train_run(made, data, tmp_path / out, tmp_path / "scratch", open_online=open_row)

    train("undisturbed")
    training.interrupt_second_score(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        train("resumed")
    train("resumed")
    undisturbed, resumed = tmp_path / "undisturbed", tmp_path / "resumed"
    name = "last.safetensors"
    assert (resumed / name).read_bytes() == (undisturbed / name).read_bytes()
    card = json.loads((resumed / "card.json").read_text())
    assert card["combination"]["online"] == list(SETS)
    with pytest.raises(ValueError, match="open_online must be given"):
        train_run(made, data, tmp_path / "other", tmp_path / "scratch")


NUM = 3  # samples of each kind
MEAN_LEVELS, EDGE_SHARE = 0.5, 0.001
# Compiled too, as training paints: it fuses steps that each on its own are right.
DEVICES = [
    pytest.param("cpu", False, id="cpu"),
    pytest.param("cuda", False, marks=pytest.mark.gpu, id="cuda"),
    pytest.param("cuda", True, marks=pytest.mark.gpu, id="cuda-compiled"),
]


def noisy(rgba, seed):
    """A cut-out with texture: every pixel has a colour of its own."""
    alpha = rgba[..., 3:].astype(float)
    noise = rng(seed).normal(0, 12, rgba[..., :3].shape)
    colour = np.clip(rgba[..., :3] + noise * alpha / 255, 0, alpha)
    return np.dstack([np.rint(colour).astype(np.uint8), rgba[..., 3]])


PALMS = {f"h{c}": noisy(draw_hand((c, c - 40, c - 70)), c) for c in (210, 130)}
HANDS = [
    make_occluder(rgba, key=key, pointing_deg=90.0, enters="top") for key, rgba in PALMS.items()
]
CIRCLES = {f"d{n}": noisy(draw_disc(30 + 8 * n, (90, 120 + 40 * n, 40)), n) for n in range(3)}
DISCS = [make_occluder(rgba, key=key) for key, rgba in CIRCLES.items()]
TEXTURES = [Texture(f"t{n}", draw_texture(n)) for n in range(3)]
SHARP = {"occluder": {"jpeg_prob": 0.0}}  # the one step that the painter leaves out
CASES = {
    "hands": (HANDS, params("hands", **SHARP)),
    "hands_sot": (HANDS, params("hands", colour_transfer=SOT, **SHARP)),
    "objects": (DISCS, params("objects", harmonisation=STATISTICS, **SHARP)),
    "textures": (TEXTURES, params("textures", transparent_prob=0.5, **SHARP)),
}


def draw_batch(kinds):
    """Return what occludes, and samples.

    Each is an image and a map to paint on, what was drawn, the image and map that the sets' own
    code makes of it, and the occluder's coverage.
    """
    atlas = Atlas([CASES[kind][0] for kind in kinds])
    sizes = sizes_of([CASES[kind][1] for kind in kinds], SHAPE)
    samples = []
    for number in range(NUM * len(kinds)):
        source = number % len(kinds)
        items, settings = CASES[kinds[source]]
        face, seg_map = draw_face(number, radii_frac=(0.38, 0.42))
        occlusion = draw_occlusion(face, seg_map, items, rng(number), settings)
        image, turned, face_mask, layer, record = occlusion
        item = next(item for item in items if item.key == record["occluder"])
        packed = pack(image, face_mask, layer, record, atlas.places[source][item.key], sizes)
        assert packed is not None
        cover = make_layer(item, record, SHAPE).coverage_on(SHAPE)
        samples.append((image, turned, packed, regenerate(face, seg_map, item, record), cover))
    return atlas, sizes, samples


@pytest.mark.parametrize(("device", "compiled"), DEVICES)
@pytest.mark.parametrize("kinds", [["hands"], ["hands_sot", "objects", "textures"]], ids="-".join)
def test_a_batch_is_what_the_sets_code_paints(kinds, device, compiled):
    atlas, sizes, samples = draw_batch(kinds)

    def stacked(arrays):
        return torch.from_numpy(np.stack(list(arrays))).to(device)

    painter = Painter(torch.from_numpy(atlas.pixels).to(device), sizes)
    images, seg_maps = (stacked(sample[part] for sample in samples) for part in (0, 1))
    drawn = {name: stacked(sample[2][name] for sample in samples) for name in samples[0][2]}
    paint = compile_painter(painter) if compiled else painter
    painted, maps = paint(images.permute(0, 3, 1, 2), seg_maps, drawn)
    painted, maps = painted.permute(0, 2, 3, 1).cpu().numpy(), maps.cpu().numpy()
    edges, wrong = 0, 0
    for sample, image, seg_map in zip(samples, painted, maps, strict=True):
        before, _, _, (wanted_image, wanted_map), cover = sample
        touched = cover > 0
        np.testing.assert_array_equal(image[~touched], before[~touched])
        difference = np.abs(image[touched].astype(int) - wanted_image[touched])
        assert difference.mean() < MEAN_LEVELS
        opaque = (cover >= HALF).astype(np.uint8)
        border = cv2.morphologyEx(opaque, cv2.MORPH_GRADIENT, np.ones((3, 3)))
        edges += np.count_nonzero(border)
        wrong += np.count_nonzero(seg_map != wanted_map)
    assert wrong <= EDGE_SHARE * edges
