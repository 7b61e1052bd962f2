"""Whatever users have: sizes, formats, masks. Each is handled, or refused by its name."""

import dataclasses

import cv2
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from face_occlusion.apps.cli import app
from face_occlusion.core.images import encode_png, straight_alpha
from face_occlusion.generation import make_occluder, occlude, sample_rng
from face_occlusion.generation.presets import default_params
from tests.generation.drawn import draw_disc, draw_face

QUARTER = {0x0112: 6}  # EXIF: to be turned right by a quarter


def exif():
    tags = Image.Exif()
    tags.update(QUARTER)
    return tags


def save_turned(image, path):
    Image.fromarray(np.rot90(image).copy()).save(path, exif=exif())


def save_deep(image, path):
    cv2.imwrite(str(path), image[..., ::-1].astype(np.uint16) * 257)


def save_deep_grey(image, path):
    cv2.imwrite(str(path), image[..., 0].astype(np.uint16) * 257)


def save_as(mode, **options):
    return lambda image, path: Image.fromarray(image).convert(mode).save(path, **options)


IMAGES = {
    "plain.jpg": save_as("RGB", quality=95),
    "grey.jpg": save_as("L"),
    "cmyk.jpg": save_as("CMYK"),
    "turned.jpg": save_turned,
    "plain.png": save_as("RGB"),
    "grey.png": save_as("L"),
    "palette.png": save_as("P"),
    "alpha.png": save_as("RGBA"),
    "deep.png": save_deep,
    "deep_grey.png": save_deep_grey,
    "turned.png": save_turned,
    "lossy.webp": save_as("RGB"),
    "plain.tif": save_as("RGB"),
    "plain.bmp": save_as("RGB"),
}


def palette_mask(seg_map, ids):
    image = Image.fromarray(np.where(seg_map == 1, ids[1], ids[0]).astype(np.uint8), "P")
    image.putpalette(list(range(255, -1, -1)) * 3)
    return image


MASKS = {
    "0/1": Image.fromarray,
    "0/255": lambda seg_map: Image.fromarray(seg_map * np.uint8(255)),
    "palette": lambda seg_map: palette_mask(seg_map, (0, 1)),
    "palette 255": lambda seg_map: palette_mask(seg_map, (0, 255)),
    "one bit": lambda seg_map: Image.fromarray(seg_map == 1),
    "grey as colour": lambda seg_map: Image.fromarray(np.dstack([seg_map * np.uint8(255)] * 3)),
    "16 bits": lambda seg_map: Image.fromarray(seg_map * np.uint16(65535)),
}


def run(folder, *options):
    command = ["occlude", "--workers", "1", "--out", folder / "out"]
    for name in ("faces", "masks", "occluders"):
        command += [f"--{name}", folder / name]
    return CliRunner().invoke(app, [str(word) for word in [*command, *options]])


def folders(tmp_path):
    for name in ("faces", "masks", "occluders"):
        (tmp_path / name).mkdir()
    Image.fromarray(straight_alpha(draw_disc(40))).save(tmp_path / "occluders/disc.png")
    return tmp_path


def test_every_format_of_image_and_mask_is_read(tmp_path):
    """Each image with another kind of mask and another size; one call."""
    folder, sizes = folders(tmp_path), {}
    for number, (name, save) in enumerate(IMAGES.items()):
        key = name.replace(".", "_")
        sizes[key] = (90 + 3 * number, 131 - 4 * number)
        image, seg_map = draw_face(number, sizes[key])
        save(image, folder / "faces" / f"{key}.{name.split('.')[1]}")
        mask = list(MASKS.values())[number % len(MASKS)](seg_map)
        mask.save(folder / "masks" / f"{key}.png")
    result = run(folder, "--exact-background", "--colours", "keep")
    assert result.exit_code == 0, (result.output, result.exception)
    assert f"{len(IMAGES)} occluded faces" in result.output
    for number, (key, size) in enumerate(sizes.items()):
        image, seg_map = draw_face(number, size)
        occluded = np.asarray(Image.open(folder / f"out/images/{key}.png")).astype(int)
        label = np.asarray(Image.open(folder / f"out/masks/{key}.png"))
        assert occluded.shape == (*size, 3)
        assert not ((label == 255) & (seg_map == 0)).any()
        kept = cv2.erode((label == 255).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
        assert kept.any(), key
        if "grey" not in key:
            assert np.abs(occluded - image)[kept].mean() < 20, key  # channels in order


@pytest.mark.parametrize("kind", sorted(MASKS))
def test_every_kind_of_mask_means_the_same(tmp_path, kind):
    folder = folders(tmp_path)
    image, seg_map = draw_face(1, (100, 90))
    Image.fromarray(image).save(folder / "faces/a.png")
    MASKS[kind](seg_map).save(folder / "masks/a.png")
    assert run(folder, "--exact-background").exit_code == 0
    params = dataclasses.replace(default_params("objects"), keep_background=True)
    disc = make_occluder(draw_disc(40), key="disc")
    expected, label, _ = occlude(image, seg_map, [disc], sample_rng("a", 1), params)
    np.testing.assert_array_equal(np.asarray(Image.open(folder / "out/masks/a.png")), label * 255)
    shown = np.asarray(Image.open(folder / "out/images/a.png")).astype(int)
    assert np.abs(shown - expected).max() <= 3  # straight alpha in the file, premultiplied here


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda f: Image.new("L", (90, 100)).save(f / "masks/a.png"),
            "a.png: the mask has no face",
        ),
        (
            lambda f: Image.fromarray(np.arange(9000, dtype=np.uint8).reshape(100, 90)).save(
                f / "masks/a.png"
            ),
            "a face mask must hold 0/1, 0/255",
        ),
        (lambda f: Image.new("RGB", (90, 100), (9, 0, 0)).save(f / "masks/a.png"), "got colours"),
        (lambda f: (f / "masks/a.png").write_bytes(b"\x89PNG"), "masks/a.png: not a readable"),
        (lambda f: Image.new("F", (90, 100)).save(f / "faces/a.tif"), "32-bit pixels have no"),
        (lambda f: Image.new("RGBA", (9, 9)).save(f / "occluders/disc.png"), "covers no pixel"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, spoil, message):
    folder = folders(tmp_path)
    image, seg_map = draw_face(1, (100, 90))
    Image.fromarray(seg_map).save(folder / "masks/a.png")
    spoil(folder)
    if not (folder / "faces/a.tif").exists():
        Image.fromarray(image).save(folder / "faces/a.png")
    result = run(folder)
    assert result.exit_code == 1
    assert message in str(result.exception)
    assert not (folder / "out").exists()


def test_an_occluder_of_one_pixel_and_a_face_that_fills_its_image(tmp_path):
    folder = folders(tmp_path)
    Image.fromarray(np.full((1, 1, 4), 255, np.uint8)).save(folder / "occluders/disc.png")
    image, _ = draw_face(1, (100, 90))
    Image.fromarray(image).save(folder / "faces/a.png")
    (folder / "masks/a.png").write_bytes(encode_png(np.ones((100, 90), np.uint8)))
    assert run(folder).exit_code == 0
    label = np.asarray(Image.open(folder / "out/masks/a.png"))
    assert 0.05 <= (label == 0).mean() <= 0.5
