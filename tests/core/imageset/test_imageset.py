import json
import multiprocessing
import os
import pickle
import tarfile
import tempfile
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
import webdataset
from hypothesis import given, settings
from hypothesis import strategies as st

from face_occlusion.core.images import encode_jpeg, encode_png, encode_rgba
from face_occlusion.core.imageset import (
    ImageSet,
    encode_record,
    reader,
    shard_name,
    write_image_set,
    write_index,
    write_shard,
)
from tests.conftest import files_of
from tests.core.images.drawn import largest_difference
from tests.core.imageset.conftest import INFO, numbered

keys = st.text("abcXYZ019_-é", min_size=1, max_size=8)
parts = st.dictionaries(
    st.sampled_from(["jpg", "png", "original.png", "json", "rgba.png"]),
    st.binary(max_size=1500),
    min_size=1,
)
sample_lists = st.lists(st.tuples(keys, parts), min_size=1, max_size=7, unique_by=lambda s: s[0])


def shuffled(mapping: dict, random) -> dict:
    items = list(mapping.items())
    random.shuffle(items)
    return dict(items)


@settings(max_examples=25, deadline=None)
@given(sample_lists, st.integers(1, 4), st.randoms())
def test_what_is_written_is_read_and_equal_samples_give_equal_bytes(samples, per_shard, random):
    with tempfile.TemporaryDirectory() as scratch:
        one, two = Path(scratch) / "one", Path(scratch) / "two"
        written = write_image_set(one, samples, info=INFO, samples_per_shard=per_shard)
        for opened in (written, ImageSet(one), pickle.loads(pickle.dumps(written))):
            assert opened.keys == [key for key, _ in samples]
            assert len(opened) == len(samples)
            for key, expected in samples:
                assert key in opened
                assert opened.parts(key) == sorted(expected)
                assert {part: opened.read(key, part) for part in expected} == expected
        written.verify()
        assert all(len(entry["samples"]) <= per_shard for entry in written.shards)
        assert_others_read(sorted(one.glob("*.tar")), samples)
        os.utime(one / "000000.tar", (1, 1))
        again = ((key, shuffled(values, random)) for key, values in samples)
        write_image_set(two, again, info=shuffled(INFO, random), samples_per_shard=per_shard)
        assert files_of(one) == files_of(two)


def assert_others_read(shards: list[Path], samples: list) -> None:
    """By tarfile and WebDataset."""
    expected = [(f"{key}.{part}", s[part]) for key, s in samples for part in sorted(s)]
    for shard in shards:
        with tarfile.open(shard) as tar:
            for member in tar.getmembers():
                assert (member.mtime, member.uid, member.gid, member.mode) == (0, 0, 0, 0o644)
                assert (member.name, tar.extractfile(member).read()) == expected.pop(0)
    assert not expected
    found = list(webdataset.WebDataset(list(map(str, shards)), shardshuffle=False))
    for sample, (key, parts) in zip(found, samples, strict=True):
        assert sample["__key__"] == key
        assert {part: sample[part] for part in parts} == parts


def test_shards_written_one_by_one_make_the_same_set(image_set, tmp_path):
    folder, samples = tmp_path / "resumed", numbered(7)
    folder.mkdir()
    second = write_shard(folder / shard_name(1), samples[3:6])  # any order, any process
    first, third = (write_shard(folder / shard_name(n), samples[3 * n : 3 * n + 3]) for n in (0, 2))
    write_index(folder, [first, second, third], INFO)
    assert files_of(folder) == files_of(image_set.folder)


def test_decoded_parts(tmp_path):
    image = np.full((5, 7, 3), (200, 0, 0), np.uint8)
    seg_map, cutout = np.zeros((5, 7), np.uint8), np.zeros((5, 7, 4), np.uint8)
    seg_map[1, 2], seg_map[3, 4], cutout[2, 6] = 1, 255, (30, 20, 10, 40)
    record = {"angle_deg": 0.1, "size": [5, 7]}
    sample = {"jpg": encode_jpeg(image, 95), "png": encode_png(seg_map)}
    sample |= {"original.png": encode_png(1 - seg_map // 255), "rgba.png": encode_rgba(cutout)}
    sample |= {"json": encode_record(record)}
    opened = write_image_set(tmp_path / "set", [("00024", sample)], info=INFO)
    assert largest_difference(opened.image("00024"), image) < 4
    np.testing.assert_array_equal(opened.seg_map("00024"), seg_map)
    np.testing.assert_array_equal(opened.seg_map("00024", "original.png"), 1 - seg_map // 255)
    np.testing.assert_array_equal(opened.cutout("00024"), cutout)
    assert opened.record("00024") == record
    assert opened.info == INFO and opened.absent is None


def test_the_index_of_a_written_set_is_this_and_an_absent_one_says_why(tmp_path):
    write_image_set(tmp_path / "set", [("a", {"png": b"x" * 600, "jpg": b"yy"})], info=INFO)
    index = json.loads((tmp_path / "set" / "index.json").read_bytes())
    assert (index["format"], index["version"], index["count"]) == ("face-occlusion image set", 1, 1)
    assert index["info"] == INFO
    assert index["shards"][0]["samples"] == [["a", {"jpg": [512, 2], "png": [1536, 600]}]]
    info = {**INFO, "kind": "benchmark", "absent": "COFW is not part of this profile"}
    opened = write_image_set(tmp_path / "cofw", [], info=info)
    assert (len(opened), opened.absent) == (0, info["absent"])
    opened.verify()
    assert files_of(tmp_path / "cofw").keys() == {"README.md", "croissant.json", "index.json"}


finite = st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | finite | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=3,
)


@settings(max_examples=20, deadline=None)
@given(st.dictionaries(st.text(max_size=4), json_values, max_size=3))
def test_records_read_back_exactly(record):
    data = encode_record(record)
    assert json.loads(data) == record
    assert encode_record(dict(reversed(record.items()))) == data


def test_numpy_values_are_written_as_pythons():
    numpy = {"b": np.bool_(True), "i": np.uint8(3), "f": np.float64(0.1), "a": np.eye(2, dtype=int)}
    written = '{"a":[[1,0],[0,1]],"b":true,"f":0.1,"i":3,"t":[1,"é"]}'.encode()
    assert encode_record(numpy | {"t": (1, "é")}) == written
    assert json.loads(encode_record({"f": np.float32(0.1)}))["f"] == np.float32(0.1)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"a": {"b": [1.0, float("nan")]}}, r"'a\.b\[1\]' must be finite; got nan"),
        ({"x": np.float32("inf")}, "'x' must be finite; got inf"),
        ({"x": np.array([1, np.nan])}, r"'x\[1\]' must be finite"),
        ({"x": Path("a")}, "'x' cannot be written as JSON; got PosixPath"),
        ({"x": {1: 2}}, "'x' must have texts as keys; got 1"),
    ],
)
def test_records_that_are_no_json_are_refused(record, message):
    with pytest.raises(ValueError, match=message):
        encode_record(record)


def read_all(image_set: ImageSet) -> list[bytes]:
    return [image_set.read(key, "jpg") for key in image_set.keys]


def test_a_set_travels_to_other_processes(image_set):
    expected = read_all(image_set)  # opens the handles, which must not travel
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        assert pool.submit(read_all, image_set).result() == expected


def test_threads_share_a_set_and_handles_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "MAX_OPEN_SHARDS", 3)
    made = write_image_set(tmp_path / "set", numbered(40), info=INFO, samples_per_shard=4)
    keys = np.random.default_rng(0).choice(made.keys, 3000)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(made.read, keys, ["jpg"] * 3000))
    assert found == [bytes([int(key)]) * 700 for key in keys]
    assert count_open(tmp_path) <= 3
    del made
    assert count_open(tmp_path) == 0


def count_open(folder: Path) -> int:
    opened = (Path(file.path) for file in psutil.Process().open_files())
    return sum(path.is_relative_to(folder.resolve()) for path in opened)
