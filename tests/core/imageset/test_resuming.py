import pytest

from face_occlusion.core.imageset import read_shard_entry, shard_name, write_index, write_shard
from tests.core.imageset.samples import INFO, content, numbered


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
    with pytest.raises(ValueError, match=r"key '00000' occurs twice in the set"):
        write_index(tmp_path, [entry, {**entry, "name": "000001.tar"}], INFO)
    (tmp_path / "000000.tar").unlink()
    with pytest.raises(ValueError, match=r"000000\.tar: missing, or its size is not \d+ bytes"):
        write_index(tmp_path, [entry], INFO)
    assert not list(tmp_path.iterdir())
