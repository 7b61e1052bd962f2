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

from face_occlusion.core.files import file_sha256
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
from tests.core.imageset.conftest import INFO, flip, numbered
from tests.tables import refuses, rows

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


def test_missing_keys_parts_and_bad_content_are_named(image_set, tmp_path):
    refuses(r"wo: no sample '99999' among 7", image_set.read, "99999", "jpg")
    refuses(r"wo: sample '00003' has no part 'png'; got jpg, json", image_set.seg_map, "00003")
    refuses(r"wo: 00003\.jpg: not a readable image", image_set.image, "00003")
    bad = [(str(n), {"json": record}) for n, record in enumerate((b"[1]", b"{", b"\xff"))]
    opened = write_image_set(tmp_path / "set", bad, info=INFO)
    for key in opened.keys:
        refuses(rf"set: {key}\.json: ", opened.record, key)


def test_a_cut_or_missing_shard_is_refused(image_set):
    path = image_set.folder / "000001.tar"
    whole = path.read_bytes()
    fresh = pickle.loads(pickle.dumps(image_set))
    path.write_bytes(whole[:-512])
    refuses(rf"000001\.tar: must have {len(whole)} bytes", ImageSet, image_set.folder)
    path.write_bytes(whole[:600])
    refuses(r"000001\.tar: truncated inside 00003\.jpg", image_set.read, "00003", "jpg")
    path.unlink()
    refuses(r"000001\.tar: no such shard", ImageSet, image_set.folder)
    refuses(r"000001\.tar: cannot be opened: No such file", fresh.read, "00003", "jpg")


def test_verify_finds_what_differs_from_the_index(image_set):
    image_set.verify()
    (image_set.folder / "000003.tar").write_bytes(b"")
    refuses(r"000003\.tar: not listed in index\.json", image_set.verify)
    (image_set.folder / "000003.tar").unlink()
    flip(image_set.folder / "000002.tar", 700)
    refuses(r"000002\.tar: must have sha256 [0-9a-f]{64} by", ImageSet(image_set.folder).verify)
    index = image_set.folder / "index.json"
    index.write_text(index.read_text().replace("[512,700]", "[512,699]", 1))
    refuses(r"000000\.tar: index\.json lists other members", ImageSet(image_set.folder).verify)
    first = image_set.folder / "000000.tar"
    before = file_sha256(first)
    first.write_bytes(b"x" * first.stat().st_size)
    index.write_text(index.read_text().replace(before, file_sha256(first)))
    with pytest.raises(ValueError, match=r"000000\.tar: not a tar archive; make the set again: "):
        ImageSet(image_set.folder).verify()


@pytest.mark.parametrize(("old", "new", "message"), rows(__file__, "tampered"))
def test_a_tampered_index_is_refused(image_set, old, new, message):
    path = image_set.folder / "index.json"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    refuses(rf"index\.json: .*{message}", ImageSet, image_set.folder)


def test_an_index_cut_anywhere_is_refused(image_set):
    path = image_set.folder / "index.json"
    text = path.read_text()
    for length in range(0, len(text) - 1, 11):
        path.write_text(text[:length])
        refuses(r"index\.json: ", ImageSet, image_set.folder)
    path.unlink()
    refuses(r"index\.json: no such file; .* not an image set.*repro", ImageSet, image_set.folder)


def test_an_index_of_missing_shards_is_refused(tmp_path):
    entry = write_shard(tmp_path / "000000.tar", numbered(2))
    refuses(r"shard 1 must be 000001\.tar", write_index, tmp_path, [entry, entry], INFO)
    with pytest.raises(ValueError, match=r"key '00000' occurs twice in the set"):
        write_index(tmp_path, [entry, {**entry, "name": "000001.tar"}], INFO)
    (tmp_path / "000000.tar").unlink()
    with pytest.raises(ValueError, match=r"000000\.tar: missing, or its size is not \d+ bytes"):
        write_index(tmp_path, [entry], INFO)
    assert not list(tmp_path.iterdir())


KEY, PART = "sample key must be text", "sample a: part must be lower-case"
SAMPLES = [
    *rows(__file__, "samples"),
    *([[[key, ["jpg"]]], KEY] for key in rows(__file__, "keys")),
    *([[["a", [part]]], PART] for part in rows(__file__, "parts")),
    [[["a" * 97, ["jpg"]]], "is longer than 100 bytes"],
]


@pytest.mark.parametrize(
    ("samples", "change", "message"),
    [
        *((samples, {}, message) for samples, message in SAMPLES),
        *((None, change, message) for change, message in rows(__file__, "info")),
    ],
)
def test_what_is_refused_leaves_nothing(tmp_path, samples, change, message):
    parts = numbered(7)
    if samples is not None:
        parts = [(key, dict.fromkeys(names, b"")) for key, names in samples]
    with pytest.raises(ValueError, match=message):
        write_image_set(tmp_path / "set", parts, info={**INFO, **change}, samples_per_shard=2)
    assert not list(tmp_path.iterdir())


def test_the_longest_name_fits_and_an_empty_folder_is_filled(tmp_path):
    opened = write_image_set(tmp_path, [("é" * 48, {"jpg": b"x"})], info=INFO)
    opened.verify()
    assert opened.read("é" * 48, "jpg") == b"x"


def test_a_failing_source_leaves_nothing(tmp_path):
    def failing():
        yield from numbered(5)
        raise RuntimeError("the fifth image is unreadable")

    with pytest.raises(RuntimeError, match="fifth"):
        write_image_set(tmp_path / "set", failing(), info=INFO, samples_per_shard=2)
    with pytest.raises(RuntimeError, match="fifth"):
        write_shard(tmp_path / "000000.tar", failing())
    assert not list(tmp_path.iterdir())
