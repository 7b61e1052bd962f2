"""The commands about image sets."""

import re

import numpy as np
import pytest
from PIL import Image

from face_occlusion.core.images import encode_jpeg, encode_png
from face_occlusion.core.imageset import ImageSet, write_image_set
from tests.conftest import files_of, small_files
from tests.core.imageset.conftest import INFO


@pytest.fixture
def wo(tmp_path, monkeypatch):
    """The folder of an image set of five faces, in the current folder."""
    monkeypatch.chdir(tmp_path)
    image, mask = np.full((24, 40, 3), 99, np.uint8), np.eye(24, 40, dtype=np.uint8)
    parts = {"jpg": encode_jpeg(image, 90), "png": encode_png(mask)}
    samples = [(f"{number:05d}", parts) for number in range(5)]
    return write_image_set(tmp_path / "wo", samples, info=INFO, samples_per_shard=2).folder


def test_look_writes_a_png(wo, tmp_path, invoke):
    assert invoke("look", wo) == "sheets/wo.png: 5 of 5 samples\n"
    sheet = Image.open("sheets/wo.png")
    assert sheet.format == "PNG" and sheet.width > 5 * 256
    options = ["--num", 2, "--columns", 1, "--thumb-px", 64, "--out", "new/x.png"]
    assert "x.png: 2 of 5 samples" in invoke("look", wo, *options)
    assert Image.open("new/x.png").width < 2 * 256 + 100  # the legend
    assert "wo.png: 2 of 5" in invoke("look", wo, "--key", "00003", "--key", "00001")
    assert not list(tmp_path.rglob("*.partial"))
    write_image_set(tmp_path / "cofw", [], info={**INFO, "absent": "no COFW here"})
    assert "x.png: no COFW here" in invoke("look", "cofw", "--out", "x.png")


def test_unpack_pack_verify_and_card(wo, tmp_path, invoke):
    printed = invoke("unpack", wo, "files")
    assert "files: 5 samples; masks/: face is 255 (white), background 0" in printed
    options = ["--samples-per-shard", 3, "--name", "mine", "--kind", "benchmark"]
    options += ["--licence", "CC BY 4.0, my lab"]
    packed = invoke("pack", "files/images", "files/masks", tmp_path / "again", *options)
    assert "again: 5 samples in 2 shards" in packed
    again = ImageSet(tmp_path / "again")
    invoke("unpack", wo, "ids", "--ids")
    mask = Image.open("ids/masks/00003.png")
    np.testing.assert_array_equal(np.asarray(mask), np.eye(24, 40))
    assert mask.convert("L").getextrema() == (0, 255)  # shown as black and white
    assert (again.info["name"], again.info["kind"]) == ("mine", "benchmark")
    assert str(tmp_path) not in (again.folder / "index.json").read_text()
    assert invoke("verify", wo, again.folder).count("as written") == 2

    card = again.folder / "README.md"
    as_written = card.read_bytes()
    assert b"Licence: CC BY 4.0, my lab." in as_written
    card.unlink()
    assert "README.md: missing" in invoke("verify", again.folder, status=1)
    assert "README.md and croissant.json of 5 samples" in invoke("card", again.folder)
    assert card.read_bytes() == as_written
    assert "as written" in invoke("verify", again.folder)


def test_a_full_disk_is_named_and_nothing_is_left(wo, tmp_path, invoke):
    invoke("unpack", wo, "files")
    before = files_of(tmp_path)
    for words, named in (
        ("look wo", "wo.png"),
        ("unpack wo more", "more"),
        ("pack files/images files/masks again", "again"),
        ("card wo", "wo/README.md"),
    ):
        with small_files(64):
            printed = invoke(*words.split(), status=1)
        assert re.search(rf"ERROR: \S*{named}\S*: File too large; free space on its disk", printed)
    assert files_of(tmp_path) == before  # `look` leaves its folder, empty
