import pickle

import pytest

from face_occlusion.core.files import file_sha256
from face_occlusion.core.imageset import ImageSet, write_image_set, write_index, write_shard
from tests.core.imageset.conftest import INFO, flip, numbered
from tests.tables import refuses, rows


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
