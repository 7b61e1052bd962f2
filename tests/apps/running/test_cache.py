import hashlib
import json

import pytest

from face_occlusion.apps.running.cache import find_damaged


def put(cache, content, ending=""):
    """Write an object as DVC does, and return its name and its path."""
    name = hashlib.md5(content).hexdigest() + ending
    path = cache / "files" / "md5" / name[:2] / name[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return name, path


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache as DVC lays it out: a file, and a folder of two files."""
    monkeypatch.chdir(tmp_path)
    cache = tmp_path / ".dvc" / "cache"
    page, _ = put(cache, b"page")
    files = [put(cache, content)[0] for content in (b"one", b"two")]
    listing = [{"md5": md5, "relpath": f"{n}.tar"} for n, md5 in enumerate(files)]
    folder, _ = put(cache, json.dumps(listing).encode(), ".dir")
    outs = {"reports/index.html": page, "data/set": folder}
    stages = {p: {"cmd": "x", "outs": [{"path": p, "md5": md5}]} for p, md5 in outs.items()}
    (tmp_path / "dvc.lock").write_text(json.dumps({"schema": "2.0", "stages": stages}))
    return cache


def test_damaged_objects_are_found_and_their_outputs_named(cache, tmp_path):
    assert find_damaged(cache, tmp_path / "dvc.lock") == (4, {})
    _, path = put(cache, b"two")
    linked = tmp_path / "1.tar"
    linked.hardlink_to(path)
    with linked.open("r+b") as file:  # as a careless program does, run by root
        file.write(b"TWO")
    assert find_damaged(cache, tmp_path / "dvc.lock") == (4, {path: "data/set/1.tar"})
    path.write_bytes(b"two")
    listing = next(cache.glob("files/md5/??/*.dir"))
    listing.write_text("[]")
    assert find_damaged(cache, tmp_path / "dvc.lock")[1] == {listing: "data/set"}
    assert find_damaged(cache, tmp_path / "missing.lock")[1] == {listing: None}


def test_the_command_lists_and_ends_with_an_error(cache, invoke):
    assert "4 objects match their hashes" in invoke("verify", "--cache", cache)
    put(cache, b"page")[1].write_bytes(b"PAGE")
    printed = invoke("verify", "--cache", cache, status=1)
    assert "(reports/index.html)" in printed
    assert "1 of 4 objects do not match their hashes" in printed
