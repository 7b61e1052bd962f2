import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import webdataset
from hypothesis import given, settings
from hypothesis import strategies as st

from face_occlusion.images import encode_jpeg, encode_png, encode_rgba
from face_occlusion.imageset import (
    ImageSet,
    encode_record,
    read_shard_entry,
    reader,
    shard_name,
    write_image_set,
    write_index,
    write_shard,
)

INFO = {"kind": "faces", "name": "wo", "sources": ["drawn here"]}

keys = st.text("abcXYZ019_-é", min_size=1, max_size=8)
parts = st.dictionaries(
    st.sampled_from(["jpg", "png", "original.png", "json", "rgba.png"]),
    st.binary(max_size=1500),
    min_size=1,
)
sample_lists = st.lists(st.tuples(keys, parts), min_size=1, max_size=7, unique_by=lambda s: s[0])


def numbered(count: int) -> list[tuple[str, dict[str, bytes]]]:
    return [(f"{n:05d}", {"jpg": bytes([n]) * 700, "json": b"{}"}) for n in range(count)]


@pytest.fixture
def image_set(tmp_path) -> ImageSet:
    return write_image_set(tmp_path / "wo", numbered(7), info=INFO, samples_per_shard=3)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def flip(path: Path, position: int) -> None:
    damaged = bytearray(path.read_bytes())
    damaged[position] ^= 1
    path.write_bytes(damaged)


# Properties


@settings(max_examples=60, deadline=None)
@given(sample_lists, st.integers(1, 4))
def test_what_is_written_is_read(samples, samples_per_shard):
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "set"
        written = write_image_set(folder, samples, info=INFO, samples_per_shard=samples_per_shard)
        for opened in (written, ImageSet(folder), pickle.loads(pickle.dumps(written))):
            assert opened.keys == [key for key, _ in samples]
            assert len(opened) == len(samples)
            for key, expected in samples:
                assert key in opened
                assert opened.parts(key) == sorted(expected)
                assert {part: opened.read(key, part) for part in expected} == expected
        written.verify()
        entries = [read_shard_entry(path) for path in sorted(folder.glob("*.tar"))]
        assert entries == written.shards
        assert all(len(entry["samples"]) <= samples_per_shard for entry in entries)


@settings(max_examples=30, deadline=None)
@given(sample_lists, st.integers(1, 4), st.randoms())
def test_equal_samples_give_equal_bytes(samples, samples_per_shard, random):
    def shuffled(mapping: dict) -> dict:
        items = list(mapping.items())
        random.shuffle(items)
        return dict(items)

    with tempfile.TemporaryDirectory() as scratch:
        one, two = Path(scratch) / "one", Path(scratch) / "two"
        write_image_set(one, samples, info=INFO, samples_per_shard=samples_per_shard)
        os.utime(one / "000000.tar", (1, 1))
        again = ((key, shuffled(values)) for key, values in samples)
        write_image_set(two, again, info=shuffled(INFO), samples_per_shard=samples_per_shard)
        assert content(one) == content(two)


@settings(max_examples=30, deadline=None)
@given(sample_lists)
def test_opens_with_tarfile_and_webdataset(samples):
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "set"
        opened = write_image_set(folder, samples, info=INFO)
        with tarfile.open(folder / "000000.tar") as tar:
            members = tar.getmembers()
            assert all((m.mtime, m.uid, m.gid, m.mode) == (0, 0, 0, 0o644) for m in members)
            assert [m.name for m in members] == [
                f"{key}.{part}" for key in opened.keys for part in opened.parts(key)
            ]
            for member in members:
                key, _, part = member.name.partition(".")
                assert tar.extractfile(member).read() == dict(samples)[key][part]
        found = list(webdataset.WebDataset(str(folder / "000000.tar"), shardshuffle=False))
        assert [sample["__key__"] for sample in found] == opened.keys
        for sample, (_, expected) in zip(found, samples, strict=True):
            assert {part: sample[part] for part in expected} == expected


# Conventions


def test_decoded_parts(tmp_path):
    image = np.zeros((5, 7, 3), np.uint8)
    image[..., 0] = 200
    seg_map = np.zeros((5, 7), np.uint8)
    seg_map[1, 2], seg_map[3, 4] = 1, 255
    cutout = np.zeros((5, 7, 4), np.uint8)
    cutout[2, 6] = (30, 20, 10, 40)
    record = {"angle_deg": 0.1, "size": [5, 7]}
    sample = {
        "jpg": encode_jpeg(image, 95),
        "png": encode_png(seg_map),
        "original.png": encode_png(1 - seg_map // 255),
        "rgba.png": encode_rgba(cutout),
        "json": encode_record(record),
    }
    opened = write_image_set(tmp_path / "set", [("00024", sample)], info=INFO)
    assert opened.image("00024").shape == (5, 7, 3)
    assert abs(int(opened.image("00024")[0, 0, 0]) - 200) < 4
    np.testing.assert_array_equal(opened.seg_map("00024"), seg_map)
    np.testing.assert_array_equal(opened.seg_map("00024", "original.png"), 1 - seg_map // 255)
    np.testing.assert_array_equal(opened.cutout("00024"), cutout)
    assert opened.record("00024") == record
    assert opened.info == INFO and opened.absent is None


def test_index_of_a_written_set_is_this(tmp_path):
    write_image_set(tmp_path / "set", [("a", {"png": b"x" * 600, "jpg": b"yy"})], info=INFO)
    index = json.loads((tmp_path / "set" / "index.json").read_bytes())
    assert (index["format"], index["version"], index["count"]) == ("face-occlusion image set", 1, 1)
    assert index["info"] == INFO
    assert index["shards"][0]["samples"] == [["a", {"jpg": [512, 2], "png": [1536, 600]}]]


def test_an_absent_set_says_why(tmp_path):
    info = {**INFO, "kind": "benchmark", "absent": "COFW is not part of this profile"}
    opened = write_image_set(tmp_path / "cofw", [], info=info)
    assert (len(opened), opened.absent) == (0, "COFW is not part of this profile")
    opened.verify()
    assert content(tmp_path / "cofw").keys() == {"index.json"}


# Records


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=12,
)


@settings(max_examples=40)
@given(st.dictionaries(st.text(max_size=4), json_values))
def test_records_read_back_exactly(record):
    data = encode_record(record)
    assert json.loads(data) == record
    assert encode_record(dict(reversed(record.items()))) == data


def test_numpy_values_are_written_as_pythons():
    record = {
        "b": np.bool_(True),
        "i": np.uint8(3),
        "f": np.float64(0.1),
        "a": np.eye(2, dtype=int),
    }
    assert encode_record(record) == b'{"a":[[1,0],[0,1]],"b":true,"f":0.1,"i":3}'
    assert json.loads(encode_record({"f": np.float32(0.1)}))["f"] == np.float32(0.1)
    assert encode_record({"t": (1, "é")}) == '{"t":[1,"é"]}'.encode()


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


# Many readers


def read_all(image_set: ImageSet) -> list[bytes]:
    return [image_set.read(key, "jpg") for key in image_set.keys]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_set_travels_to_other_processes(image_set, method):
    expected = read_all(image_set)  # opens the handles, which must not travel
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        assert pool.submit(read_all, image_set).result() == expected


def test_threads_share_a_set_and_handles_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "MAX_OPEN_SHARDS", 3)
    sets = [write_image_set(tmp_path / "set", numbered(40), info=INFO, samples_per_shard=4)]
    keys = np.random.default_rng(0).choice(sets[0].keys, 3000)
    barrier = threading.Barrier(8)

    def check(chunk: np.ndarray) -> bool:
        barrier.wait()
        return all(sets[0].read(key, "jpg") == bytes([int(key)]) * 700 for key in chunk)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(check, np.array_split(keys, 8)))
    assert count_open(tmp_path) <= 3
    sets.clear()
    assert count_open(tmp_path) == 0


def count_open(folder: Path) -> int:
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        pytest.skip("this system does not list open files in /proc")
    return sum(
        os.path.realpath(path).startswith(str(folder.resolve())) for path in descriptors.iterdir()
    )


# Refusals: reading


def test_missing_keys_and_parts_are_named(image_set):
    with pytest.raises(ValueError, match=r"wo: no sample '99999' among 7"):
        image_set.read("99999", "jpg")
    with pytest.raises(ValueError, match=r"wo: sample '00003' has no part 'png'; got jpg, json"):
        image_set.seg_map("00003")
    with pytest.raises(ValueError, match=r"wo: 00003\.jpg: not a readable image"):
        image_set.image("00003")


@pytest.mark.parametrize("record", [b"[1]", b"{", b"\xff"])
def test_a_bad_record_is_named(tmp_path, record):
    opened = write_image_set(tmp_path / "set", [("a", {"json": record})], info=INFO)
    with pytest.raises(ValueError, match=r"set: a\.json: "):
        opened.record("a")


def test_a_folder_without_index_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"index\.json: no such file; .* is not an image set"):
        ImageSet(tmp_path)


def test_a_cut_or_missing_shard_is_refused(image_set):
    path = image_set.folder / "000001.tar"
    whole = path.read_bytes()
    path.write_bytes(whole[:-512])
    with pytest.raises(ValueError, match=rf"000001\.tar: must have {len(whole)} bytes"):
        ImageSet(image_set.folder)
    path.write_bytes(whole[:600])
    with pytest.raises(ValueError, match=r"000001\.tar: ends inside 00003\.jpg"):
        image_set.read("00003", "jpg")
    path.unlink()
    with pytest.raises(ValueError, match=r"000001\.tar: no such shard"):
        ImageSet(image_set.folder)
    fresh = pickle.loads(pickle.dumps(image_set))
    with pytest.raises(ValueError, match=r"000001\.tar: cannot be opened: No such file"):
        fresh.read("00003", "jpg")


def test_verify_finds_one_flipped_bit(image_set):
    image_set.verify()
    flip(image_set.folder / "000002.tar", 700)
    with pytest.raises(ValueError, match=r"000002\.tar: must have sha256 [0-9a-f]{64} by"):
        ImageSet(image_set.folder).verify()


def test_verify_finds_what_the_index_does_not_list(image_set):
    (image_set.folder / "000003.tar").write_bytes(b"")
    with pytest.raises(ValueError, match=r"000003\.tar: not listed in index\.json"):
        image_set.verify()


def test_verify_finds_a_forged_index(image_set):
    path = image_set.folder / "index.json"
    path.write_text(
        path.read_text().replace('"00000",{"jpg":[512,700]', '"00000",{"jpg":[512,699]')
    )
    with pytest.raises(ValueError, match=r"000000\.tar: index\.json lists other members"):
        ImageSet(image_set.folder).verify()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"face-occlusion image set"', '"something else"', "not the index of an image set"),
        ('"version":1', '"version":0', r"format version 0, this program reads 1"),
        ('"version":1', '"version":2', r"format version 2, this program reads 1"),
        ('"count":7', '"count":8', r"count is 8, but the shards list 7 samples"),
        ('"kind":"faces"', '"kind":"cats"', r"kind must be one of .*; got 'cats'"),
        ('"000001.tar"', '"../../x.tar"', r"shard 1 must be 000001\.tar"),
        ('"00004"', '"00003"', r"key '00003' is twice in the set: in 000001\.tar and 000001\.tar"),
        ('"00004"', '"00000"', r"key '00000' is twice in the set: in 000000\.tar and 000001\.tar"),
        ('"00004"', '"a.b"', r"sample key must be text without dots"),
        ("[512,700]", "[512,70000]", r"000000\.tar: 00000\.jpg lies outside the shard"),
        ("[512,700]", "[-512,700]", r"000000\.tar: 00000\.jpg lies outside the shard"),
        ("[512,700]", '"x"', r"damaged index"),
        ('"sha256":"', '"sha256":"0', r"000000\.tar: sha256 must be"),
        ('"shards":[', '"shards":[7,', r"damaged index"),
        ('"size"', '"seize"', r"damaged index"),
    ],
)
def test_a_tampered_index_is_refused(image_set, old, new, message):
    path = image_set.folder / "index.json"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ValueError, match=rf"index\.json: .*{message}"):
        ImageSet(image_set.folder)


def test_an_index_cut_anywhere_is_refused(image_set):
    path = image_set.folder / "index.json"
    text = path.read_text()
    for length in range(0, len(text) - 1, 11):
        path.write_text(text[:length])
        with pytest.raises(ValueError, match=r"index\.json: "):
            ImageSet(image_set.folder)


def test_a_shard_cut_or_damaged_anywhere_gives_no_entry(image_set):
    path = image_set.folder / "000000.tar"
    whole = path.read_bytes()
    for length in range(0, len(whole), 500):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"000000\.tar: not a complete shard"):
            read_shard_entry(path)
    for position in (0, 1536, 2559, len(whole) - 1):  # a name, a header, padding
        path.write_bytes(whole)
        flip(path, position)
        if position == 2559:  # inside a member's padding: only the hash tells
            assert read_shard_entry(path) != image_set.shards[0]
        elif position == 0:
            with pytest.raises(ValueError, match=r"000000\.tar: not a complete shard"):
                read_shard_entry(path)
        else:
            with pytest.raises(ValueError, match=r"000000\.tar: not a complete shard: damaged at"):
                read_shard_entry(path)
    with pytest.raises(ValueError, match=r"7\.tar: no such shard"):
        read_shard_entry(image_set.folder / "7.tar")


def test_a_foreign_tar_gives_no_entry(tmp_path):
    (tmp_path / "folder").mkdir()
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        tar.add(tmp_path / "folder", "folder")
    with pytest.raises(ValueError, match=r"x\.tar: not a complete shard"):
        read_shard_entry(tmp_path / "x.tar")


# Refusals: writing


@pytest.mark.parametrize("key", ["", "a.b", "a/b", "a b", "a\tb", "..", "a\\b", "a\n", None, 7])
def test_bad_keys_are_refused(tmp_path, key):
    with pytest.raises(ValueError, match="sample key must be text"):
        write_image_set(tmp_path / "set", [(key, {"jpg": b""})], info=INFO)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("part", ["", ".jpg", "JPG", "a/b", "png.", "__key__", "a..b", "j pg", 7])
def test_bad_parts_are_refused(tmp_path, part):
    with pytest.raises(ValueError, match="sample a: part must be lower-case"):
        write_image_set(tmp_path / "set", [("a", {part: b""})], info=INFO)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ([("a", {"jpg": b""}), ("b", {"jpg": b""}), ("a", {"jpg": b""})], "key 'a' is twice"),
        ([("a", {"jpg": b""}), ("a", {"jpg": b""})], "key 'a' is twice"),
        ([("a", {})], "sample a: has no parts"),
        ([("a" * 97, {"jpg": b""})], "is longer than 100 bytes"),
        ([], "has no samples, and info: absent does not say why"),
    ],
)
def test_bad_samples_leave_nothing(tmp_path, samples, message):
    with pytest.raises(ValueError, match=message):
        write_image_set(tmp_path / "set", samples, info=INFO, samples_per_shard=2)
    assert not list(tmp_path.iterdir())


def test_the_longest_name_fits(tmp_path):
    opened = write_image_set(tmp_path / "set", [("é" * 48, {"jpg": b"x"})], info=INFO)
    opened.verify()
    assert opened.read("é" * 48, "jpg") == b"x"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "cats"}, "kind must be one of"),
        ({"name": ""}, "name must be text"),
        ({"sources": "one"}, "sources must be a list"),
        ({"sources": [1]}, "sources must be a list"),
        ({"absent": "not here"}, "yet the set holds 7 samples"),
        ({"absent": True}, "absent must say why"),
        ({"share": float("nan")}, "must be finite"),
    ],
)
def test_bad_info_leaves_nothing(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        write_image_set(tmp_path / "set", numbered(7), info={**INFO, **change})
    assert not list(tmp_path.iterdir())


def test_a_failing_source_leaves_nothing(tmp_path):
    def failing():
        yield from numbered(5)
        raise RuntimeError("the fifth image is unreadable")

    with pytest.raises(RuntimeError, match="fifth"):
        write_image_set(tmp_path / "set", failing(), info=INFO, samples_per_shard=2)
    with pytest.raises(RuntimeError, match="fifth"):
        write_shard(tmp_path / "000000.tar", failing())
    assert not list(tmp_path.iterdir())


def test_a_folder_in_use_is_left_alone(image_set):
    before = content(image_set.folder)
    with pytest.raises(ValueError, match="exists and is not an empty folder"):
        write_image_set(image_set.folder, numbered(2), info=INFO)
    with pytest.raises(ValueError, match="samples_per_shard must be at least 1; got 0"):
        write_image_set(image_set.folder, numbered(2), info=INFO, samples_per_shard=0)
    assert content(image_set.folder) == before


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "set").mkdir()
    assert len(write_image_set(tmp_path / "set", numbered(2), info=INFO)) == 2


# Resuming and interruption


def test_shards_written_one_by_one_make_the_same_set(image_set, tmp_path):
    folder = tmp_path / "resumed"
    folder.mkdir()
    samples = numbered(7)
    write_shard(folder / shard_name(1), samples[3:6])  # any order, any process
    entries = [
        write_shard(folder / shard_name(0), samples[:3]),
        read_shard_entry(folder / shard_name(1)),  # finished before an interruption
        write_shard(folder / shard_name(2), samples[6:]),
    ]
    write_index(folder, entries, INFO)
    assert content(folder) == content(image_set.folder)


def test_an_index_of_missing_shards_is_refused(tmp_path):
    entry = write_shard(tmp_path / "000000.tar", numbered(2))
    with pytest.raises(ValueError, match=r"shard 1 must be 000001\.tar"):
        write_index(tmp_path, [entry, entry], INFO)
    with pytest.raises(ValueError, match=r"key '00000' is twice in the set"):
        write_index(tmp_path, [entry, {**entry, "name": "000001.tar"}], INFO)
    (tmp_path / "000000.tar").unlink()
    with pytest.raises(ValueError, match=r"000000\.tar: missing, or not the \d+ bytes"):
        write_index(tmp_path, [entry], INFO)
    assert not list(tmp_path.iterdir())


SLOW_WRITER = """
import sys, time
from pathlib import Path
from face_occlusion.imageset import write_image_set

def samples():
    for number in range(7):
        print(number, flush=True)
        time.sleep(float(sys.argv[2]))
        yield f"{number:05d}", {"jpg": bytes([number]) * 700, "json": b"{}"}

info = {"kind": "faces", "name": "wo", "sources": ["drawn here"]}
write_image_set(Path(sys.argv[1]), samples(), info=info, samples_per_shard=3)
"""


@pytest.mark.parametrize("kill_at", [0, 2, 5])
def test_a_killed_writer_leaves_no_set_and_can_run_again(image_set, tmp_path, kill_at):
    folder = tmp_path / "killed"
    command = [sys.executable, "-c", SLOW_WRITER, str(folder)]
    with subprocess.Popen([*command, "0.2"], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for line in writer.stdout:
            if int(line) == kill_at:
                time.sleep(0.02)
                writer.send_signal(signal.SIGKILL)
                break
    assert not folder.exists()
    assert (tmp_path / "killed.partial").is_dir()
    subprocess.run([*command, "0"], check=True, stdout=subprocess.DEVNULL)
    assert content(folder) == content(image_set.folder)
    assert not (tmp_path / "killed.partial").exists()
