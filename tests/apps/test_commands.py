import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from face_occlusion.apps.cli import app
from face_occlusion.core.images import encode_jpeg, encode_png
from face_occlusion.core.imageset import ImageSet, write_image_set

INFO = {"kind": "faces", "name": "wo", "sources": ["drawn here"]}


def run(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def image_set(tmp_path) -> ImageSet:
    image, mask = np.full((24, 40, 3), 99, np.uint8), np.eye(24, 40, dtype=np.uint8)
    parts = {"jpg": encode_jpeg(image, 90), "png": encode_png(mask)}
    samples = [(f"{number:05d}", parts) for number in range(5)]
    return write_image_set(tmp_path / "wo", samples, info=INFO, samples_per_shard=2)


def test_look_writes_a_png(image_set, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("look", image_set.folder)
    assert result.exit_code == 0 and result.stdout == "wo.png: 5 of 5 samples\n"
    with Image.open(tmp_path / "wo.png") as sheet:
        assert sheet.format == "PNG" and sheet.width > 5 * 256
    options = ["--num", 2, "--columns", 1, "--thumb-px", 64, "--out", tmp_path / "new" / "x.png"]
    assert "x.png: 2 of 5 samples" in run("look", image_set.folder, *options).stdout
    with Image.open(tmp_path / "new" / "x.png") as sheet:
        assert sheet.width < 512
    chosen = run("look", image_set.folder, "--key", "00003", "--key", "00001")
    assert "wo.png: 2 of 5" in chosen.stdout
    assert not list(tmp_path.rglob("*.partial"))


def test_look_at_an_absent_set(tmp_path):
    write_image_set(tmp_path / "cofw", [], info={**INFO, "absent": "no COFW here"})
    result = run("look", tmp_path / "cofw", "--out", tmp_path / "x.png")
    assert result.exit_code == 0 and "x.png: no COFW here" in result.stdout


def test_unpack_then_pack_then_verify(image_set, tmp_path):
    files, again = tmp_path / "files", tmp_path / "again"
    assert "files: 5 samples" in run("unpack", image_set.folder, files).stdout
    options = ["--samples-per-shard", 3, "--name", "mine", "--kind", "benchmark"]
    packed = run("pack", files / "images", files / "masks", again, *options)
    assert packed.exit_code == 0 and "again: 5 samples in 2 shards" in packed.stdout
    opened = ImageSet(again)
    assert (opened.info["name"], opened.info["kind"]) == ("mine", "benchmark")
    assert str(tmp_path) not in (again / "index.json").read_text()
    verified = run("verify", image_set.folder, again)
    assert verified.exit_code == 0
    assert verified.stdout.count("as written") == 2


def test_errors_reach_the_command_line_as_value_errors(image_set, tmp_path):
    shard = image_set.folder / "000001.tar"
    damaged = bytearray(shard.read_bytes())
    damaged[600] ^= 1
    shard.write_bytes(damaged)
    for arguments, message in [
        (("verify", image_set.folder), r"000001.tar: must have sha256"),
        (("look", tmp_path), "is not an image set"),
        (("look", image_set.folder, "--key", "7"), "no sample '7' among 5"),
        (("pack", tmp_path, tmp_path, tmp_path / "x"), "holds no image"),
        (("unpack", image_set.folder, image_set.folder), "is not an empty folder"),
    ]:
        result = run(*arguments)
        assert isinstance(result.exception, ValueError)
        assert message in str(result.exception)


def test_a_packed_set_states_its_licence_and_an_old_one_gets_a_card(image_set, tmp_path):
    files, mine = tmp_path / "files", tmp_path / "mine"
    run("unpack", image_set.folder, files)
    run("pack", files / "images", files / "masks", mine, "--licence", "CC BY 4.0, my lab")
    card = mine / "README.md"
    assert "Licence: CC BY 4.0, my lab." in card.read_text()
    as_written = card.read_bytes()
    card.unlink()
    missing = run("verify", mine)
    assert isinstance(missing.exception, ValueError)
    assert "README.md: missing" in str(missing.exception)
    assert "README.md and croissant.json of 5 samples" in run("card", mine).stdout
    assert card.read_bytes() == as_written
    assert run("verify", mine).exit_code == 0
