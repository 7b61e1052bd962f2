import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from face_occlusion.apps.folders import FileSet, files_by_stem, pack_folder, unpack_image_set
from face_occlusion.core import images
from face_occlusion.core.imageset import ImageSet, encode_record, write_image_set
from tests.apps.pictures import load, save, save_turned
from tests.conftest import files_of
from tests.core.imageset.conftest import INFO
from tests.releases.build import photo
from tests.tables import refuses

SHAPE = (24, 40)


def face_mask(seed: int) -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    mask[seed : seed + 9, 5:25] = 1
    return mask


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder of images and one of masks, in various formats."""
    options = {"quality": 90, "lossless": True}
    for seed, name in enumerate(("b.jpg", "a 1.x.png", "c.webp", "d.TIFF", "ink.jpg"), start=1):
        save(tmp_path / "photos" / name, photo(*SHAPE, seed), **options)
    save_turned(tmp_path / "photos/turned.jpg", photo(*SHAPE, 6), quality=95)
    Image.fromarray(photo(*SHAPE, 5)).convert("CMYK").save(tmp_path / "photos/ink.jpg", quality=95)
    masks = {"b.png": face_mask(1), "a 1.x.bmp": face_mask(2) * 255, "c.tif": face_mask(3) > 0}
    masks |= {"ink.png": face_mask(5), "turned.png": face_mask(6)}
    for name, mask in masks.items():
        save(tmp_path / "masks" / name, mask)
    palette = Image.fromarray(face_mask(4), "P")
    palette.putpalette([0, 0, 0, 250, 20, 20])
    palette.save(tmp_path / "masks/d.gif")
    (tmp_path / "photos/.hidden.jpg").write_bytes(b"x")
    (tmp_path / "photos/notes.txt").write_text("x")
    return tmp_path


def pack(folder: Path, out: str, **options: Any) -> ImageSet:
    options = {"info": INFO} | options
    return pack_folder(folder / "photos", folder / "masks", folder / out, **options)


def test_packs_what_lies_there_twice_to_the_same_bytes_and_again_from_unpacked_files(folder):
    """A JPEG keeps its bytes, unless it is turned by EXIF or holds CMYK."""
    packed = pack(folder, "set", samples_per_shard=4)
    assert packed.keys == ["a_1_x", "b", "c", "d", "ink", "turned"]
    assert [len(shard["samples"]) for shard in packed.shards] == [4, 2]
    for key, seed in [("a_1_x", 2), ("b", 1), ("c", 3), ("d", 4), ("ink", 5), ("turned", 6)]:
        assert np.abs(packed.image(key).astype(int) - photo(*SHAPE, seed)).mean() < 6
        np.testing.assert_array_equal(packed.seg_map(key), face_mask(seed))
        shown = Image.open(io.BytesIO(packed.read(key, "jpg")))
        assert (shown.mode, shown.size, shown.getexif().get(0x0112)) == ("RGB", (40, 24), None)
    assert packed.read("b", "jpg") == (folder / "photos/b.jpg").read_bytes()
    names = {"name": "a 1.x.png", "mask": "a 1.x.bmp", "source": "wo"}
    assert packed.record("a_1_x") == names | {"size": [24, 40], "occluder_kind": None}
    packed.verify()
    pack(folder, "twice", samples_per_shard=4)
    assert files_of(folder / "twice") == files_of(folder / "set")

    unpack_image_set(packed, folder / "files")
    files = [folder / "files" / name for name in ("images", "masks")]
    again = pack_folder(*files, folder / "again", info=INFO)
    assert again.keys == packed.keys
    for key in packed.keys:
        for part in ("jpg", "png"):
            assert again.read(key, part) == packed.read(key, part)


def test_unpacked_files_are_seen_in_viewers(tmp_path):
    seg_map = face_mask(3)
    ignoring = seg_map.copy()
    ignoring[0, 1] = 255
    cutout = np.zeros((*SHAPE, 4), np.uint8)
    cutout[4, 5] = (20, 30, 40, 50)
    parts = {"jpg": images.encode_jpeg(photo(*SHAPE, 0), 90), "png": images.encode_png(ignoring)}
    parts |= {"original.png": images.encode_png(seg_map), "rgba.png": images.encode_rgba(cutout)}
    parts |= {"json": encode_record({"é": 1}), "npy": b"123"}
    files = tmp_path / "files"
    unpack_image_set(write_image_set(tmp_path / "set", [("00024", parts)], info=INFO), files)
    folders = sorted(path.parent.name for path in files.rglob("00024.*"))
    assert folders == ["cutouts", "images", "masks", "masks_original", "npy", "records"]
    mask = (files / "masks/00024.png").read_bytes()
    shown = images.decode_image(mask, "mask")
    assert shown[0, 1].tolist() == [128] * 3
    np.testing.assert_array_equal((shown == 255).all(axis=2), seg_map == 1)
    np.testing.assert_array_equal(images.decode_mask(mask, "mask"), ignoring)
    np.testing.assert_array_equal(load(files / "masks_original/00024.png"), seg_map * 255)
    assert load(files / "cutouts/00024.png")[4, 5].tolist() == [102, 153, 204, 50]
    assert json.loads((files / "records/00024.json").read_text()) == {"é": 1}
    (files / "records/00024.json").write_text("{")
    refuses(r"00024\.json: not readable as JSON", FileSet(files).record, "00024")


@given(arrays(np.uint8, st.tuples(st.integers(1, 4), st.integers(1, 4), st.just(4))))
def test_straight_alpha_multiplies_back(straight):
    alpha = straight[..., 3:].astype(float)
    premultiplied = np.rint(straight[..., :3] * (alpha / 255)).astype(np.uint8)
    back = images.straight_alpha(np.dstack([premultiplied, straight[..., 3]]))
    np.testing.assert_array_equal(back[..., 3], straight[..., 3])
    again = np.rint(back[..., :3] * (alpha / 255))
    np.testing.assert_array_equal(again, premultiplied)
    assert (back[straight[..., 3] == 0] == 0).all()


def test_photographs_that_are_not_read_are_counted(tmp_path, caplog):
    (tmp_path / "read").mkdir()
    for name in ("a.jpg", "b.HEIC", "c.avif", "notes.txt", "read/a.jpg"):
        (tmp_path / name).write_bytes(b"")
    assert list(files_by_stem(tmp_path / "read")) == ["a"] and caplog.text == ""
    assert list(files_by_stem(tmp_path)) == ["a"]
    assert "2 left out, .heic" in caplog.text
