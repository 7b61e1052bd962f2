import io
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from face_occlusion.apps.folders import files_by_stem, pack_folder, unpack_image_set
from face_occlusion.core.images import (
    decode_image,
    decode_mask,
    encode_jpeg,
    encode_png,
    encode_rgba,
    straight_alpha,
)
from face_occlusion.core.imageset import ImageSet, encode_record, write_image_set

SHAPE = (24, 40)
INFO = {"kind": "faces", "name": "mine", "sources": ["drawn here"]}


def photo(seed: int) -> np.ndarray:
    corners = np.random.default_rng(seed).integers(0, 256, (2, 3, 3), dtype=np.uint8)
    return cv2.resize(corners, SHAPE[::-1], interpolation=cv2.INTER_LINEAR)


def face_mask(seed: int) -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    mask[seed : seed + 9, 5:25] = 1
    return mask


@pytest.fixture
def folders(tmp_path) -> tuple[Path, Path, Path]:
    """Folders of images and masks in various formats, and where to pack them."""
    images, masks = tmp_path / "photos", tmp_path / "masks"
    images.mkdir()
    masks.mkdir()
    options = {"quality": 90, "lossless": True}
    for seed, name in enumerate(("b.jpg", "a 1.x.png", "c.webp", "d.TIFF"), start=1):
        Image.fromarray(photo(seed)).save(images / name, **options)
    Image.fromarray(face_mask(1)).save(masks / "b.png")
    Image.fromarray(face_mask(2) * 255).save(masks / "a 1.x.bmp")
    Image.fromarray(face_mask(3) > 0).save(masks / "c.tif")
    palette = Image.fromarray(face_mask(4), "P")
    palette.putpalette([0, 0, 0, 250, 20, 20])
    palette.save(masks / "d.gif")
    (images / ".hidden.jpg").write_bytes(b"x")
    (images / "notes.txt").write_text("x")
    return images, masks, tmp_path / "set"


def nothing_written(folder: Path) -> bool:
    return not folder.exists() and not list(folder.parent.glob("*.partial"))


def test_packs_what_lies_there_twice_to_the_same_bytes_and_again_from_unpacked_files(folders):
    images, masks, out = folders
    packed = pack_folder(images, masks, out, info=INFO, samples_per_shard=3)
    assert packed.keys == ["a_1_x", "b", "c", "d"]
    assert [len(shard["samples"]) for shard in packed.shards] == [3, 1]
    assert packed.read("b", "jpg") == (images / "b.jpg").read_bytes()
    for key, seed in [("a_1_x", 2), ("b", 1), ("c", 3), ("d", 4)]:
        assert np.abs(packed.image(key).astype(int) - photo(seed)).max() < 16
        np.testing.assert_array_equal(packed.seg_map(key), face_mask(seed))
    names = {"name": "a 1.x.png", "mask": "a 1.x.bmp", "source": "mine"}
    assert packed.record("a_1_x") == names | {"size": [24, 40], "occluder_kind": None}
    packed.verify()
    twice = pack_folder(images, masks, out.with_name("twice"), info=INFO, samples_per_shard=3)
    assert (out / "index.json").read_bytes() == (twice.folder / "index.json").read_bytes()
    assert packed.shards == twice.shards

    files = out.with_name("files")
    unpack_image_set(packed, files)
    again = pack_folder(files / "images", files / "masks", out.with_name("again"), info=INFO)
    assert again.keys == packed.keys
    for key in packed.keys:
        assert again.read(key, "jpg") == packed.read(key, "jpg")
        assert again.read(key, "png") == packed.read(key, "png")


def test_turned_and_cmyk_jpegs_are_converted(folders):
    images, masks, out = folders
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(photo(1)).copy()).save(images / "b.jpg", quality=95, exif=exif)
    ink = Image.fromarray(photo(2)).convert("CMYK")
    (images / "a 1.x.png").unlink()
    ink.save(images / "a 1.x.jpeg", quality=95)
    packed = pack_folder(images, masks, out, info=INFO)
    for key, seed, source in [("b", 1, "b.jpg"), ("a_1_x", 2, "a 1.x.jpeg")]:
        assert packed.read(key, "jpg") != (images / source).read_bytes()
        assert np.abs(packed.image(key).astype(int) - photo(seed)).mean() < 6
        shown = Image.open(io.BytesIO(packed.read(key, "jpg")))
        assert (shown.mode, shown.size, shown.getexif().get(0x0112)) == ("RGB", (40, 24), None)


def test_many_files_are_packed_by_several_processes(tmp_path):
    for folder in ("photos", "masks"):
        (tmp_path / folder).mkdir()
    for number in range(70):
        (tmp_path / "photos" / f"{number}.jpg").write_bytes(encode_jpeg(photo(number), 90))
        (tmp_path / "masks" / f"{number}.png").write_bytes(encode_png(face_mask(number % 9)))
    packed = pack_folder(tmp_path / "photos", tmp_path / "masks", tmp_path / "set", info=INFO)
    assert packed.keys == sorted(map(str, range(70)))
    np.testing.assert_array_equal(packed.seg_map("69"), face_mask(69 % 9))
    with pytest.raises(ValueError, match="gone: no such folder"):
        pack_folder(tmp_path / "photos", tmp_path / "gone", tmp_path / "other", info=INFO)


A, B, MASK = "photos/a.1 x.png", "photos/b.jpg", "masks/b.png"
NO_IMAGE = r"b\.png: not a readable image: no known format; "
BAD = [
    ({"masks/c.tif": None}, r"masks: no mask for c\.webp$"),
    ({B: None}, r"photos: no image for b\.png$"),
    (
        {f"masks/z{n}.png": face_mask(1) for n in range(7)},
        r"photos: no image for z0\.png, z1\.png, z2\.png, z3\.png, z4\.png and 2 more",
    ),
    ({MASK: face_mask(1).T}, r"b\.png must have the size of .*b\.jpg, .* 24x40; got 40x24"),
    ({MASK: np.full(SHAPE, 7, np.uint8)}, r"b\.png: a face mask must hold 0/1, .*; got 7"),
    ({B: encode_jpeg(photo(1), 90)[:400]}, r"b\.jpg: not a readable image"),
    ({MASK: b"none"}, rf"{NO_IMAGE}starts with b'none'"),
    ({MASK: b""}, rf"{NO_IMAGE}the file is empty"),
    ({"photos/b.png": photo(1)}, r"b\.png and .*b\.jpg have the same name except for the suffix"),
    ({A: photo(1), "masks/a.1 x.png": photo(1)}, r"a\.1 x\.png and .* both get the key 'a_1_x'"),
    ({os.fsdecode(b"photos/c\xff.jpg"): b""}, r"c\udcff\.jpg: its name is not UTF-8; rename it"),
    ({B: Path("nowhere")}, r"No such file or directory: .*photos/b\.jpg"),
    (dict.fromkeys((MASK, "masks/a 1.x.bmp", "masks/c.tif", "masks/d.gif")), "masks: holds no"),
]


@pytest.mark.parametrize(("files", "message"), BAD)
def test_bad_folders_are_refused_by_name(folders, files, message):
    images, masks, out = folders
    for name, content in files.items():
        path = out.parent / name
        if isinstance(content, np.ndarray):
            Image.fromarray(np.ascontiguousarray(content)).save(path)
        elif content is None:
            path.unlink()
        elif isinstance(content, Path):
            path.unlink()
            path.symlink_to(content)
        else:
            path.write_bytes(content)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        pack_folder(images, masks, out, info=INFO)
    with pytest.raises(ValueError, match=f"{message}|kind must be one of"):  # before the work
        pack_folder(images, masks, out, info={**INFO, "kind": "cats"})
    assert nothing_written(out)


def test_unpacked_files_are_seen_in_viewers(tmp_path):
    seg_map = face_mask(3)
    ignoring = seg_map.copy()
    ignoring[0, 1] = 255
    cutout = np.zeros((*SHAPE, 4), np.uint8)
    cutout[4, 5] = (20, 30, 40, 50)
    sample = {
        "jpg": encode_jpeg(photo(0), 90),
        "png": encode_png(ignoring),
        "original.png": encode_png(seg_map),
        "rgba.png": encode_rgba(cutout),
        "json": encode_record({"é": 1}),
        "npy": b"123",
    }
    opened = write_image_set(tmp_path / "set", [("00024", sample)], info=INFO)
    files = tmp_path / "files"
    unpack_image_set(opened, files)
    folders = sorted(path.parent.name for path in files.rglob("00024.*"))
    assert folders == ["cutouts", "images", "masks", "masks_original", "npy", "records"]
    shown = decode_image((files / "masks/00024.png").read_bytes(), "mask")
    assert shown[0, 1].tolist() == [128] * 3
    np.testing.assert_array_equal((shown == 255).all(axis=2), seg_map == 1)
    unpacked = decode_mask((files / "masks/00024.png").read_bytes(), "mask")
    np.testing.assert_array_equal(unpacked, ignoring)
    original = np.asarray(Image.open(files / "masks_original/00024.png"))
    np.testing.assert_array_equal(original, seg_map * 255)
    assert np.asarray(Image.open(files / "cutouts/00024.png"))[4, 5].tolist() == [102, 153, 204, 50]
    assert json.loads((files / "records/00024.json").read_text()) == {"é": 1}


@given(arrays(np.uint8, st.tuples(st.integers(1, 4), st.integers(1, 4), st.just(4))))
def test_straight_alpha_multiplies_back(straight):
    alpha = straight[..., 3:].astype(float)
    premultiplied = np.rint(straight[..., :3] * (alpha / 255)).astype(np.uint8)
    back = straight_alpha(np.dstack([premultiplied, straight[..., 3]]))
    np.testing.assert_array_equal(back[..., 3], straight[..., 3])
    again = np.rint(back[..., :3] * (alpha / 255))
    np.testing.assert_array_equal(again, premultiplied)
    assert (back[straight[..., 3] == 0] == 0).all()


def test_unpacking_refuses_by_name(tmp_path):
    absent = write_image_set(tmp_path / "cofw", [], info={**INFO, "absent": "no COFW here"})
    with pytest.raises(ValueError, match="cofw: holds no samples: no COFW here"):
        unpack_image_set(absent, tmp_path / "files")
    damaged = write_image_set(tmp_path / "set", [("a", {"png": b"none"})], info=INFO)
    with pytest.raises(ValueError, match=r"set: a\.png: not a readable image"):
        unpack_image_set(damaged, tmp_path / "files")
    assert nothing_written(tmp_path / "files")
    with pytest.raises(ValueError, match="set: exists and is not an empty folder"):
        unpack_image_set(ImageSet(tmp_path / "set"), tmp_path / "set")


def test_photographs_that_are_not_read_are_counted(tmp_path, caplog):
    (tmp_path / "read").mkdir()
    for name in ("a.jpg", "b.HEIC", "c.avif", "notes.txt", "read/a.jpg"):
        (tmp_path / name).write_bytes(b"")
    assert list(files_by_stem(tmp_path)) == ["a"]
    assert "2 left out, .heic" in caplog.text
    caplog.clear()
    files_by_stem(tmp_path / "read")
    assert caplog.text == ""
