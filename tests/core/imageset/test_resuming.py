import signal
import subprocess
import sys
import time

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


SLOW_WRITER = """
import sys, time
from pathlib import Path
from face_occlusion.core.imageset import write_image_set

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
