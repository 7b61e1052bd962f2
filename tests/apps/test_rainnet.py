"""Training data, a short training, and its command."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from face_occlusion.apps.rainnet import composites, training
from face_occlusion.generation.harmonisation.rainnet import RainNet, load_rainnet
from tests.generation.drawn import write_drawn
from tests.tables import refuses

PARAMS = training.TrainingParams(
    width=4, iterations=40, batch_size=4, learning_rate=2e-3, seed=1, num_held_out=6
)


def photograph(rng, height, width):
    """Draw a smooth image of two bright colours: grey, the start, is far from them."""
    weight = np.linspace(0, 1, height)[:, None, None] * np.linspace(0.5, 1, width)[None, :, None]
    first, second = rng.uniform(180, 250, (2, 3))
    return np.rint(first + weight * (second - first)).astype(np.uint8)


def cutout(rng, height, width):
    """Draw a premultiplied disc."""
    rows, columns = np.mgrid[:height, :width]
    distance = np.hypot((rows + 0.5) / height - 0.5, (columns + 0.5) / width - 0.5)
    alpha = np.clip((0.48 - distance) * 20, 0, 1)[..., None]
    colours = rng.uniform(180, 250, 3) * alpha
    return np.rint(np.dstack([colours, alpha * 255])).astype(np.uint8)


def training_images(num_faces=12, num_cutouts=10, side=256):
    rng = np.random.default_rng(0)
    return composites.TrainingImages(
        {f"{i:05}": photograph(rng, side, side) for i in range(num_faces)},
        {f"hands/{i}": cutout(rng, side, side) for i in range(num_cutouts)},
    )


@pytest.fixture(scope="module")
def image_sets(tmp_path_factory):
    """Ten photographs and ten cut-outs of several shapes, as image sets."""
    rng = np.random.default_rng(1)
    folder = tmp_path_factory.mktemp("sets")
    faces = ((f"{i:05}", {"jpg": photograph(rng, 90, 70 + i)}, {}) for i in range(10))
    cutouts = ((f"c{i}", {"rgba.png": cutout(rng, 30 + 9 * i, 50)}, {}) for i in range(10))
    write_drawn(folder / "faces", "faces", "f", faces)
    write_drawn(folder / "hands", "cutouts", "h", cutouts)
    return folder


def test_images_are_collected_at_one_size(image_sets):
    images = composites.read_images(image_sets / "faces", [image_sets / "hands"], 64, max_faces=8)
    assert list(images.faces) == [f"{i:05}" for i in (0, 1, 2, 3, 5, 6, 7, 9)]
    assert {one.shape for one in images.faces.values()} == {(64, 64, 3)}
    assert list(images.cutouts) == [f"hands/c{i}" for i in range(10)]
    assert {one.shape for one in images.cutouts.values()} == {(64, 64, 4)}
    alpha = images.cutouts["hands/c0"][..., 3]
    assert alpha[32, 32] == 255 and alpha[2, 32] == 0  # the flat one is centred
    twice = [image_sets / "hands"] * 2
    refuses("'hands/c0' comes twice", composites.read_images, image_sets / "faces", twice, 64, 8)


def test_held_out_images_are_never_trained_on():
    images = training_images(num_faces=60, num_cutouts=40, side=8)
    trained_on, held_out = images.split()
    for kind in ("faces", "cutouts"):
        parts = [*getattr(trained_on, kind), *getattr(held_out, kind)]
        assert sorted(parts) == sorted(getattr(images, kind))
    assert 2 <= len(held_out.faces) < 20
    assert all(one is images.faces[key] for key, one in held_out.faces.items())


def test_recolouring_with_0_changes_nothing_and_stays_in_range():
    image = torch.rand(3, 3, 5, 7) * 0.9 + 0.05
    same = composites.recolour(image, torch.zeros(3, 7))
    torch.testing.assert_close(same, image, atol=1e-4, rtol=0)
    wild = composites.recolour(image, torch.full((3, 7), 0.5))
    assert wild.min() >= 0 and wild.max() <= 1
    assert (wild - image).abs().mean() > 0.02


def test_composites_depend_on_the_seed_and_differ_from_targets_in_the_foreground():
    batch, again, other = (
        composites.CompositeSource(training_images(), n, "cpu").sample(16) for n in (3, 3, 4)
    )
    assert torch.equal(batch.image, again.image) and not torch.equal(batch.image, other.image)
    assert batch.image.shape == (16, 3, 256, 256) and batch.mask.shape == (16, 1, 256, 256)
    assert set(batch.mask.unique().tolist()) == {0.0, 1.0}
    for values in (batch.image, batch.target):
        assert values.min() >= -1 and values.max() <= 1
    error = (batch.image - batch.target).abs()
    inside, outside = (error * batch.mask).sum(), (error * (1 - batch.mask)).sum()
    assert inside > 20 * outside  # what is outside is the soft edge
    assert (error[..., :2, :2] == 0).any()


def test_errors_count_the_foreground_only():
    mask = torch.zeros(2, 1, 20, 30)
    mask[0, :, :10, :20] = 1  # the second composite has no foreground
    target = torch.zeros(2, 3, 20, 30)
    batch = composites.Composites(target, mask, target)
    output, expected = target + 0.2 * mask, (0.2 * 127.5) ** 2
    for outside in (0, 0.4):
        loss = training.foreground_loss(output + outside * (1 - mask), batch)
        assert loss.item() == pytest.approx(0.1 / 2)
    errors = training.colour_errors(output, batch)[0]
    assert errors.tolist() == pytest.approx([expected / 3, expected])


def test_a_short_training_lowers_the_loss_and_writes_checkpoint_and_card(tmp_path):
    out = tmp_path / "rainnet.pth"
    card = training.train_rainnet(training_images(), out, PARAMS, "cpu")
    training.initialise(untrained := RainNet(width=PARAMS.width))
    batch = composites.CompositeSource(training_images(), 5, "cpu").sample(8)
    outputs = (network(batch.image, batch.mask) for network in (untrained, load_rainnet(out)))
    before, after = (training.foreground_loss(output, batch).item() for output in outputs)
    assert after < 0.8 * before, (before, after)
    assert len(card["losses"]) == PARAMS.iterations
    assert set(card["errors"]) == {"input", "mkl", "reinhard", "rainnet"}
    assert all(np.isfinite(list(error.values())).all() for error in card["errors"].values())
    assert json.loads((tmp_path / "rainnet.json").read_text())["settings"]["width"] == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rainnet.json", "rainnet.pth"]


def test_wrong_settings_and_images_are_refused_by_name(tmp_path):
    for key, value in {"width": 0, "iterations": 0, "learning_rate": 0.0}.items():
        refuses(rf"^{key}:? must", replace, PARAMS, **{key: value})
    refuses(r"none\.npz: .* No such file", composites.load_images, tmp_path / "none.npz")
    np.savez(tmp_path / "other.npz", faces=np.zeros(3))
    other = tmp_path / "other.npz"
    refuses(r"other\.npz: not a file of training images", composites.load_images, other)
    refuses("at least 2 faces", training_images, num_faces=1)
    other.write_bytes(b"")  # cut off
    refuses(r"other\.npz: not a file of training images", composites.load_images, other)
    for name, said in {"out.pth": "multiples of 256", "out.json": r"ends in \.pth"}.items():
        refuses(said, training.train_rainnet, training_images(side=64), tmp_path / name, PARAMS, "")


def test_the_command_trains_on_sets_and_on_what_it_packed(image_sets, tmp_path, invoke):
    pack, sets = tmp_path / "images.npz", [image_sets / "faces", image_sets / "hands"]
    packed = invoke("train-rainnet", *sets, "--pack", pack)
    assert "10 photographs and 10 cut-outs" in packed
    images = composites.read_images(sets[0], sets[1:], 256, max_faces=10)
    packed = composites.load_images(pack)
    assert [*packed.faces] == [*images.faces]
    for key, face in images.faces.items():
        assert np.abs(packed.faces[key].astype(int) - face).mean() < 3
    np.testing.assert_equal(dict(packed.cutouts), dict(images.cutouts))
    options = ["--width", 1, "--iterations", 1, "--batch-size", 1, "--num-held-out", 1]
    for number, named in enumerate((sets, [pack])):
        out = tmp_path / f"{number}.pth"
        assert "held-out composites" in invoke("train-rainnet", *named, "--out", out, *options)
        assert load_rainnet(out).width == 1
    assert "holds cut-outs already" in invoke("train-rainnet", pack, sets[1], status=1)
