"""The command `face-occlusion occlude`: folders of one's own, any size and format."""

import json

import cv2
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from face_occlusion.apps.cli import app
from face_occlusion.apps.occluding import FolderOptions, read_occluders
from face_occlusion.core.images import decode_image, decode_mask, straight_alpha
from face_occlusion.generation import regenerate
from face_occlusion.generation.presets import default_params
from tests.generation.drawn import draw_disc, draw_face, draw_hand, draw_texture, write_hands


@pytest.fixture
def folder(tmp_path):
    """Faces of several sizes and kinds, their masks, cut-outs, hands and textures."""
    for name in ("faces", "masks", "objects", "hands", "textures"):
        (tmp_path / name).mkdir()
    kinds = {"plain.jpg": (120, 100), "grey.png": (90, 131), "deep.png": (101, 77)}
    for number, (name, shape) in enumerate(kinds.items()):
        image, seg_map = draw_face(number, shape)
        if name == "grey.png":
            Image.fromarray(image[..., 0]).save(tmp_path / "faces" / name)
        elif name == "deep.png":
            cv2.imwrite(str(tmp_path / "faces" / name), image[..., ::-1].astype(np.uint16) * 257)
        else:
            Image.fromarray(image).save(tmp_path / "faces" / name)
        mask = seg_map if number else seg_map * np.uint8(255)
        Image.fromarray(mask).save(tmp_path / "masks" / f"{name.split('.')[0]}.png")
    turned, seg_map = draw_face(7, (100, 140))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned right by a quarter
    Image.fromarray(np.rot90(turned).copy()).save(tmp_path / "faces" / "turned.jpg", exif=exif)
    Image.fromarray(seg_map).save(tmp_path / "masks" / "turned.png")
    Image.fromarray(straight_alpha(draw_disc(40))).save(tmp_path / "objects" / "disc.png")
    Image.fromarray(straight_alpha(draw_hand())).save(tmp_path / "hands" / "hand.png")
    Image.fromarray(draw_texture()).save(tmp_path / "textures" / "stripes.jpg")
    return tmp_path


def run(folder, *options, occluders="objects", out="out"):
    command = ["occlude", "--faces", folder / "faces", "--masks", folder / "masks"]
    command += ["--occluders", folder / occluders, "--out", folder / out, "--workers", "1"]
    return CliRunner().invoke(app, [str(word) for word in [*command, *options]])


def read(path):
    return np.asarray(Image.open(path))


@pytest.mark.parametrize(
    ("occluders", "options"),
    [
        ("objects", ["--colours", "mkl"]),
        ("hands", ["--hands", "--colours", "sot"]),
        ("textures", ["--method", "randocc"]),
    ],
)
def test_every_face_is_occluded_at_its_size(folder, occluders, options):
    result = run(folder, *options, occluders=occluders)
    assert result.exit_code == 0, result.output
    assert "4 occluded faces" in result.output
    for name, shape in {"plain": (120, 100), "grey": (90, 131), "turned": (100, 140)}.items():
        image, mask = (
            read(folder / f"out/images/{name}.jpg"),
            read(folder / f"out/masks/{name}.png"),
        )
        assert image.shape == (*shape, 3)
        assert set(np.unique(mask)) == {0, 255}
        record = json.loads((folder / f"out/records/{name}.json").read_text())
        assert 0.05 <= record["covered_frac"] <= 0.5
    assert not (folder / "out.partial").exists()


def test_the_same_bytes_again_whatever_other_faces_there_are(folder):
    assert run(folder, "--seed", "5").exit_code == 0
    (folder / "faces/grey.png").unlink()
    (folder / "masks/grey.png").unlink()
    assert run(folder, "--seed", "5", out="again").exit_code == 0
    for kind in ("images/plain.jpg", "masks/plain.png", "records/plain.json"):
        assert (folder / "out" / kind).read_bytes() == (folder / "again" / kind).read_bytes()


def test_exact_background_keeps_every_untouched_pixel(folder):
    assert run(folder, "--exact-background").exit_code == 0
    for name in ("plain.jpg", "grey.png"):
        face = np.asarray(Image.open(folder / "faces" / name).convert("RGB"))
        image = read(folder / f"out/images/{name.split('.')[0]}.png")
        same = (image == face).all(axis=2)
        mask = read(folder / f"masks/{name.split('.')[0]}.png") > 0
        occluded = mask & (read(folder / f"out/masks/{name.split('.')[0]}.png") == 0)
        assert occluded.any()
        assert same.mean() > 0.5
        ring = cv2.dilate(occluded.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
        assert same[mask & ~ring].all()


def test_a_sample_is_made_again_from_its_record_file_alone(folder):
    assert run(folder, "--exact-background").exit_code == 0
    record = json.loads((folder / "out/records/deep.json").read_text())
    options = FolderOptions(
        params=default_params("objects"),
        class_ids=None,
        occluder_masks=None,
        hands=False,
        lossless=True,
    )
    (item,) = read_occluders(folder / "objects", options, folder)
    assert item.key == record["occluder"]
    face = decode_image((folder / "faces/deep.png").read_bytes(), "face")
    seg_map = decode_mask((folder / "masks/deep.png").read_bytes(), "mask")
    seg_map = (seg_map > 0).astype(np.uint8)
    image, label = regenerate(face, seg_map, item, record)
    np.testing.assert_array_equal(image, read(folder / "out/images/deep.png"))
    np.testing.assert_array_equal(label * 255, read(folder / "out/masks/deep.png"))


def test_further_classes_are_kept(folder):
    mask = read(folder / "masks/plain.png")
    classes = np.where(mask > 0, 3, 9).astype(np.uint8)
    classes[60:][classes[60:] == 3] = 4
    for name in ("grey", "deep", "turned"):
        (folder / f"masks/{name}.png").unlink()
        next((folder / "faces").glob(f"{name}.*")).unlink()
    Image.fromarray(classes).save(folder / "masks/plain.png")
    options = ["--keep-classes", "3,4", "--occluded-class", "77", "--exact-background"]
    result = run(folder, *options)
    assert result.exit_code == 0, result.output
    kept = read(folder / "out/masks/plain.png")
    assert set(np.unique(kept)) == {3, 4, 9, 77}
    np.testing.assert_array_equal(kept[kept != 77], classes[kept != 77])


def test_images_with_masks_serve_as_occluders(folder):
    disc = straight_alpha(draw_disc(40))
    for name, content in (("photos", disc[..., :3]), ("cuts", (disc[..., 3] > 127) * 1)):
        (folder / name).mkdir()
        Image.fromarray(content.astype(np.uint8)).save(folder / name / "disc.png")
    result = run(folder, "--occluder-masks", folder / "cuts", occluders="photos")
    assert result.exit_code == 0, result.output
    record = json.loads((folder / "out/records/plain.json").read_text())
    assert record["occluder"] == "disc"
    Image.new("L", (5, 5), 1).save(folder / "cuts/disc.png")
    result = run(folder, "--occluder-masks", folder / "cuts", occluders="photos", out="other")
    assert "disc.png must have the size of" in str(result.exception)


def test_image_sets_serve_as_occluders_and_hands_get_the_face_s_colours(folder):
    write_hands(folder / "set")
    result = run(folder, occluders="set")
    assert result.exit_code == 0, result.output
    record = json.loads((folder / "out/records/plain.json").read_text())
    assert record["colour_transfer"]["mode"] == "masked"
    assert -15 <= record["placement"]["rotation_deg"] <= 15


@pytest.mark.parametrize(
    ("options", "method"),
    [([], "reinhard"), (["--colours", "mkl"], "mkl"), (["--colours", "keep"], None)],
)
def test_objects_are_fitted_as_asked(folder, options, method):
    assert run(folder, *options).exit_code == 0
    record = json.loads((folder / "out/records/plain.json").read_text())
    assert (record["harmonisation"] and record["harmonisation"]["method"]) == method
    assert record["colour_transfer"] is None


def test_the_published_settings_are_a_preset(folder):
    assert run(folder, "--preset", "published", "--hands", occluders="hands").exit_code == 0
    record = json.loads((folder / "out/records/plain.json").read_text())
    assert record["colour_transfer"]["mode"] == "published"


@pytest.mark.parametrize(
    ("spoil", "options", "message"),
    [
        (lambda f: (f / "masks/grey.png").unlink(), [], "no mask for grey.png"),
        (
            lambda f: Image.fromarray(np.zeros((120, 100), np.uint8)).save(f / "masks/plain.png"),
            [],
            "plain.jpg: the mask has no face pixel",
        ),
        (lambda f: (f / "faces/plain.jpg").write_bytes(b"no"), [], "plain.jpg"),
        (lambda f: Image.new("L", (5, 5), 1).save(f / "masks/plain.png"), [], "of the face's size"),
        (lambda f: (f / "objects/disc.png").unlink(), [], "holds no image"),
        (
            lambda f: Image.new("RGBA", (5, 5)).save(f / "objects/disc.png"),
            [],
            "disc.png: covers no pixel",
        ),
        (
            lambda f: Image.new("RGB", (5, 5)).save(f / "objects/disc.png"),
            [],
            "disc.png: a cut-out must be a PNG with 8-bit RGBA",
        ),
        (lambda f: None, ["--colours", "sot"], "for objects also reinhard, mkl or rainnet"),
        (lambda f: None, ["--colours", "rainnet:no.pth"], "no.pth: no such RainNet checkpoint"),
        (lambda f: None, ["--keep-classes", "face"], "class ids must be whole numbers"),
        (lambda f: None, ["--covered", "0.99", "1"], "no draw in 200"),
        (lambda f: None, ["--scale", "1", "0.5"], "scale_range must be"),
    ],
)
def test_bad_input_is_named_and_nothing_is_written(folder, spoil, options, message):
    spoil(folder)
    result = run(folder, *options)
    assert result.exit_code == 1
    assert isinstance(result.exception, ValueError)
    assert message in str(result.exception)
    assert not (folder / "out").exists()
    assert not (folder / "out.partial").exists()
