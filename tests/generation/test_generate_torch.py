"""Samples made in batches on torch equal those of numpy: draws and maps whole, images nearly."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from face_occlusion.core.images import decode_image, encode_jpeg, encode_png, jpeg
from face_occlusion.core.imageset import encode_record, write_image_set
from face_occlusion.generation import generate_set
from face_occlusion.generation.augmentation import apply_face, draw_face, warp_map
from face_occlusion.generation.colour_transfer_torch import displacement_torch
from face_occlusion.generation.compositing import Layer, soften_contact
from face_occlusion.generation.generate import generate_sample
from face_occlusion.generation.generate_torch import Source, generate_samples
from face_occlusion.generation.harmonisation import HarmonisationParams
from face_occlusion.generation.painting_torch import (
    padded,
    soften_contact_torch,
    to_device,
    to_numpy,
)
from face_occlusion.generation.presets import SOT, STATISTICS
from face_occlusion.generation.store import open_store
from tests.generation.drawn import draw_face as drawn_face
from tests.generation.drawn import params, write_hands, write_objects, write_textures

COUNT = 20  # more than a batch
gpu = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"),
]
DEVICES = ("cpu", pytest.param("cuda", marks=gpu))


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Faces of two sizes, all augmented; hands, objects, textures."""
    folder = tmp_path_factory.mktemp("inputs")

    def samples():
        for number in range(COUNT):
            shape = (176, 160) if number % 5 else (144, 200)
            image, seg_map = drawn_face(number, shape=shape)
            if number == 3:
                seg_map[:9] = 255  # ignored: no longer a plain map
            parts = {"jpg": encode_jpeg(image, 95), "png": encode_png(seg_map)}
            yield f"{number:05d}", parts | {"json": encode_record({})}

    info = {"kind": "faces", "name": "drawn", "sources": ["drawn"]}
    return {
        "faces": write_image_set(folder / "faces", samples(), info=info),
        "hands": write_hands(folder / "hands"),
        "objects": write_objects(folder / "objects"),
        "textures": write_textures(folder / "textures"),
        "folder": folder,
    }


def transfer(mode):
    return {"colour_transfer": dataclasses.replace(SOT, mode=mode, downscale=2)}


CASES = {
    "hands": {},
    "hands masked": transfer("masked"),
    "hands partial": transfer("partial"),
    "hands faithful": transfer("faithful"),
    "objects harmonised": {"harmonisation": STATISTICS},
    "textures": {"transparent_prob": 0.5},
}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("case", CASES)
def test_samples_equal_those_of_numpy(inputs, case, device):
    kind = case.split()[0]
    busy = {"tone_prob": 0.7, "jpeg_prob": 0.5}
    settings = params(kind, face=busy, occluder=busy, **CASES[case])
    store = open_store(inputs[kind], settings.method, inputs["folder"] / f"{kind}.bin")
    faces = inputs["faces"]
    keys = faces.keys[:6] if "partial" in case else faces.keys
    made = dict(generate_samples(Source(faces, store, settings, device), keys, threads=2))
    assert list(made) == keys
    for key, parts in made.items():
        expected = generate_sample(faces, store, key, settings)
        assert parts["png"] == expected["png"]
        assert parts["json"] == expected["json"]
        ours, theirs = (decode_image(one["jpg"], key).astype(int) for one in (parts, expected))
        error = np.abs(ours - theirs)
        if "partial" in case:  # the drawn hand's two flat colours are all ties
            assert error.mean() < 1.5
            continue
        if device == "cuda":  # nvJPEG rounds otherwise, and the drawn noise amplifies it
            assert error.mean() < 2.5
            continue
        assert error.mean() < 0.6, (key, error.mean())
        assert np.quantile(error, 0.995) <= 6, (key, error.mean())
        record = json.loads(parts["json"])
        compressed = [record[name]["jpeg_quality"] for name in ("face_changes", "occluder_changes")]
        if compressed == [None, None]:  # no second JPEG to amplify a level
            assert np.quantile(error, 0.995) <= 2


@pytest.mark.parametrize("device", DEVICES)
def test_images_are_stored_without_subsampling(inputs, device):
    import simplejpeg

    store = open_store(inputs["hands"], "natocc", inputs["folder"] / "hands.bin")
    keys = inputs["faces"].keys[:2]
    source = Source(inputs["faces"], store, params("hands"), device)
    for _, parts in generate_samples(source, keys):
        assert jpeg.is_plain(parts["jpg"])
        assert simplejpeg.decode_jpeg_header(parts["jpg"])[3] == "444"


def test_a_map_is_warped_as_with_its_image():
    for seed in range(6):
        image, seg_map = drawn_face(seed)
        if seed % 2:
            seg_map[20:30] = 255
        record = draw_face(np.random.default_rng(seed), seg_map.shape, params("hands").face)
        if record["matrix"] is None:
            continue
        together = apply_face(image, seg_map, record)[1]
        np.testing.assert_array_equal(warp_map(seg_map, np.array(record["matrix"])), together)


def test_a_failing_sample_is_named(inputs, tmp_path):
    narrow = params("hands", covered_frac_range=[0.499, 0.5], max_attempts=1)
    store = open_store(inputs["hands"], "natocc", tmp_path / "hands.bin")
    with pytest.raises(ValueError, match=r"^face 00000 \(seed \[\d+, 1\]\): no draw in 1"):
        list(generate_samples(Source(inputs["faces"], store, narrow, "cpu"), inputs["faces"].keys))


def test_an_error_while_painting_gives_the_records(inputs, tmp_path):
    missing = HarmonisationParams(method="rainnet:missing.pth", size_px=256, strength=1.0)
    broken = params("objects", harmonisation=missing)
    store = open_store(inputs["objects"], "natocc", tmp_path / "objects.bin")
    source = Source(inputs["faces"], store, broken, "cpu")
    with pytest.raises(ValueError, match=r"00000 \(\{.*'occluder': 'disc.*missing\.pth"):
        list(generate_samples(source, inputs["faces"].keys))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_set_for_a_gpu_that_is_not_there_is_refused(inputs, tmp_path):
    wanted = params("hands", device="cuda")
    with pytest.raises(ValueError, match=r"000000.tar: device is cuda, but torch .* sees no GPU"):
        generate_set(inputs["faces"], inputs["hands"], tmp_path / "set", wanted, workers=1)
    assert not (tmp_path / "set").exists()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_gpu_repeats_its_bytes_for_any_number_of_workers(inputs, tmp_path):
    wanted = params("hands", device="cuda", samples_per_shard=5, **transfer("masked"))
    one, two = (
        generate_set(inputs["faces"], inputs["hands"], tmp_path / name / "set", wanted, workers)
        for name, workers in (("one", 1), ("two", 2))
    )
    for left, right in zip(sorted(one.folder.iterdir()), sorted(two.folder.iterdir()), strict=True):
        assert left.read_bytes() == right.read_bytes()


def test_the_contact_is_softened_as_in_numpy():
    """On noise, where every pixel of the edge changes."""
    draw = np.random.default_rng(0)
    image = draw.integers(0, 256, (60, 70, 3), dtype=np.uint8)
    face_mask = np.where(np.arange(70) < 50, 255, 0).astype(np.uint8) * np.ones((60, 1), np.uint8)
    alpha = np.clip(np.arange(70) * 8 - 60, 0, 255).astype(np.uint8) * np.ones((60, 1), np.uint8)
    layer = Layer(np.zeros_like(image), alpha, 0, 0)
    expected = image.copy()
    soften_contact(expected, face_mask, layer, 1.3)
    target = to_device(image, torch.device("cpu"))
    soften_contact_torch(target, face_mask, alpha, 1.3)
    error = np.abs(to_numpy(target).astype(int) - expected)
    assert error.max() <= 2
    assert np.abs(expected.astype(int) - image).mean() > 5


def test_hands_of_other_sizes_in_the_batch_change_nothing():
    draw = np.random.default_rng(1)
    settings = dataclasses.replace(SOT, smoothing_frac=0.2)
    faces = torch.from_numpy(draw.integers(60, 200, (2, 3, 80, 90), dtype=np.uint8))
    masks = torch.ones(2, 80, 90, dtype=torch.bool)
    hands = [
        (draw.integers(0, 256, (*size, 3), dtype=np.uint8), np.ones(size, np.float32))
        for size in ((12, 9), (30, 41))
    ]

    def change(rows):
        grids = padded([hands[row] for row in rows], torch.device("cpu"))
        rngs = [np.random.default_rng(row) for row in rows]
        return displacement_torch(faces[rows], masks[rows], grids, rngs, settings)

    together, alone = change([0, 1]), change([0])
    torch.testing.assert_close(together[0, :, :12, :9], alone[0], atol=1e-3, rtol=0)
