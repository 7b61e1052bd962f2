"""The card and the Croissant metadata of image sets: complete, true, and read by others."""

import hashlib
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from face_occlusion.core.images import encode_jpeg, encode_png
from face_occlusion.core.imageset import inherit, write_image_set
from face_occlusion.core.imageset.cards import CARD, CROISSANT, UNKNOWN_LICENCE, list_licences
from face_occlusion.core.params import read_yaml
from tests.core.imageset.conftest import INFO, numbered
from tests.tables import refuses

CASES = Path(__file__).with_suffix(".yaml")
RELEASES = read_yaml(CASES)["releases"]


def photos(count):
    """Samples whose images and masks differ, with masks of both kinds; keys of two lengths."""
    rng = np.random.default_rng(0)
    for number in range(count):
        masks = rng.integers(0, 2, (2, 8, 12), np.uint8)
        parts = {"jpg": encode_jpeg(rng.integers(0, 256, (8, 12, 3), np.uint8), 90)}
        parts |= {"png": encode_png(masks[0]), "original.png": encode_png(masks[1])}
        key = f"{'k' * (number % 2)}{number:05d}"
        yield key, parts | {"json": f'{{"number": {number}}}'.encode()}


@pytest.fixture(scope="session")
def mlcroissant(tmp_path_factory):
    os.environ["CROISSANT_CACHE"] = str(tmp_path_factory.mktemp("croissant"))  # for its import
    return pytest.importorskip("mlcroissant")


def as_bytes(value):
    return value.tobytes() if isinstance(value, Image.Image) else value


def test_mlcroissant_joins_images_with_masks_by_key(tmp_path, mlcroissant):
    info = {**INFO, "releases": RELEASES}
    written = write_image_set(tmp_path / "wo", photos(5), info=info, samples_per_shard=2)
    found = {name: {} for name in ("samples", "original_png", "records")}
    for name, rows in found.items():
        dataset = mlcroissant.Dataset(jsonld=written.folder / CROISSANT)
        assert not dataset.metadata.ctx.issues.errors
        for record in dataset.records(name):
            fields = {field.partition("/")[2]: as_bytes(value) for field, value in record.items()}
            rows[fields.pop("key").decode()] = fields

    def pixels(key, part):
        return Image.open(io.BytesIO(written.read(key, part))).tobytes()

    assert found == {
        "samples": {
            key: {"image": pixels(key, "jpg"), "mask": pixels(key, "png")} for key in written.keys
        },
        "original_png": {key: {"content": pixels(key, "original.png")} for key in written.keys},
        "records": {key: {"content": written.read(key, "json")} for key in written.keys},
    }


@pytest.mark.parametrize("kind", ["faces", "cutouts", "textures", "benchmark", "synthetic"])
def test_metadata_of_every_kind_and_of_an_absent_set_is_valid(tmp_path, mlcroissant, kind):
    part = {"cutouts": "rgba.png", "textures": "jpg"}.get(kind, "webp")
    for name, samples, more in (
        ("some", [("1", {part: b"x", "json": b"{}"})], {}),
        ("none", [], {"absent": "not | here"}),
    ):
        info = {"kind": kind, "name": name, "sources": ["dtd"], "releases": RELEASES, **more}
        folder = write_image_set(tmp_path / name, samples, info=info).folder
        issues = mlcroissant.Dataset(jsonld=folder / CROISSANT).metadata.ctx.issues
        assert not issues.errors
        assert all("datePublished" in warning for warning in issues.warnings)


def test_the_card_says_what_goes_in_and_under_which_terms(tmp_path):
    info = {**INFO, "releases": RELEASES, **read_yaml(CASES)["info"]}
    written = write_image_set(tmp_path / "set", numbered(7), info=info, samples_per_shard=3)
    card = (written.folder / CARD).read_text()
    index_sha256 = hashlib.sha256((written.folder / "index.json").read_bytes()).hexdigest()
    shards = [shard["sha256"] for shard in written.shards]
    said = [*read_yaml(CASES)["card"], index_sha256, *shards]
    assert [text for text in said if text not in card] == []
    metadata = json.loads((written.folder / CROISSANT).read_text())
    licence = RELEASES["dtd"]["licence_url"]
    assert metadata["license"] == ["CC BY 4.0", "research purposes", licence]
    assert info["made_from"]["faces"]["index_sha256"] in metadata["isBasedOn"][0]


@pytest.mark.parametrize("name", [CARD, CROISSANT])
def test_verify_names_a_card_that_is_missing_or_stale(tmp_path, image_set, name):
    path = image_set.folder / name
    as_written = path.read_bytes()
    other = write_image_set(tmp_path / "other", numbered(6), info=INFO, samples_per_shard=3)
    for stale in (as_written.replace(b"wo", b"other", 1), (other.folder / name).read_bytes()):
        path.write_bytes(stale)
        refuses(rf"{name}: out of date: does not match index.json", image_set.verify)
    path.unlink()
    refuses(rf"{name}: missing", image_set.verify)
    path.write_bytes(as_written)
    image_set.verify()


def test_a_made_set_names_what_it_was_made_from_and_inherits_every_licence(tmp_path, image_set):
    dtd = {"dtd": RELEASES["dtd"]}
    info = {"kind": "textures", "name": "textures", "sources": ["dtd"], "releases": dtd}
    textures = write_image_set(tmp_path / "textures", [("1", {"jpg": b"x"})], info=info)
    mine = write_image_set(tmp_path / "mine", numbered(2), info={**INFO, "licence": "CC0"})
    inherited = inherit(faces=image_set, occluders=textures)
    assert inherited["sources"] == ["drawn here", "dtd"]
    faces = {"name": "wo", "count": 7, "index_sha256": image_set.sha256}
    assert inherited["made_from"]["faces"] == faces
    assert list_licences(inherited) == sorted([UNKNOWN_LICENCE, "research purposes"])
    assert list_licences(inherit(faces=mine, occluders=textures)) == ["CC0", "research purposes"]
    made = write_image_set(tmp_path / "made", numbered(2), info={**INFO, **inherited})
    again = inherit(faces=made, occluders=mine)  # two steps on, nothing is forgotten
    assert list_licences(again) == sorted([f"CC0; {UNKNOWN_LICENCE}", "research purposes"])
    for folder, licence in ((image_set.folder, UNKNOWN_LICENCE), (mine.folder, "CC0")):
        assert f"Licence: {licence}." in (folder / CARD).read_text()
        assert json.loads((folder / CROISSANT).read_text())["license"] == [licence]
    assert textures.sha256 in (made.folder / CARD).read_text()
