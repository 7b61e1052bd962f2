import hashlib
import json

import pytest
import typer
from typer.testing import CliRunner

from face_occlusion.apps.commands.image_sets import verify
from face_occlusion.apps.running.cache import find_damaged


def put(cache, content, ending=""):
    name = hashlib.md5(content).hexdigest() + ending
    path = cache / "files" / "md5" / name[:2] / name[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return name, path


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A cache as DVC lays it out: a file, and a folder of two files."""
    monkeypatch.chdir(tmp_path)
    cache = tmp_path / ".dvc" / "cache"
    page, _ = put(cache, b"page")
    files = [put(cache, content)[0] for content in (b"one", b"two")]
    listing = [{"md5": md5, "relpath": f"{n}.tar"} for n, md5 in enumerate(files)]
    folder, _ = put(cache, json.dumps(listing).encode(), ".dir")
    outs = f"""
schema: '2.0'
stages:
  report: {{cmd: x, outs: [{{path: reports/index.html, md5: {page}}}]}}
  make: {{cmd: y, outs: [{{path: data/set, md5: {folder}}}]}}
"""
    (tmp_path / "dvc.lock").write_text(outs)
    return tmp_path


def test_a_whole_cache_passes(project):
    assert find_damaged(project / ".dvc/cache", project / "dvc.lock") == (4, {})


def test_a_write_through_a_hard_link_is_found_and_its_output_named(project):
    cache = project / ".dvc/cache"
    _, path = put(cache, b"two")
    linked = project / "1.tar"
    linked.hardlink_to(path)
    with linked.open("r+b") as file:  # as a careless program does, run by root
        file.write(b"TWO")
    count, damaged = find_damaged(cache, project / "dvc.lock")
    assert count == 4
    assert damaged == {path: "data/set/1.tar"}


def test_a_damaged_list_of_a_folder_is_found(project):
    cache = project / ".dvc/cache"
    path = next(cache.glob("files/md5/??/*.dir"))
    path.write_text("[]")
    assert find_damaged(cache, project / "dvc.lock")[1] == {path: "data/set"}


def test_an_object_of_an_earlier_version_is_found_too(project):
    _, path = put(project / ".dvc/cache", b"old")
    path.write_bytes(b"OLD")
    assert find_damaged(project / ".dvc/cache", project / "missing.lock")[1] == {path: None}


def test_the_command_lists_and_ends_with_an_error(project):
    app = typer.Typer()
    app.command()(verify)
    run = CliRunner().invoke
    assert "4 objects, as their names say" in run(app, ["--cache", ".dvc/cache"]).stdout
    put(project / ".dvc/cache", b"page")[1].write_bytes(b"PAGE")
    result = run(app, ["--cache", ".dvc/cache"])
    assert "(reports/index.html)" in result.stdout
    assert "1 of 4 objects are not what their names say" in str(result.exception)
    assert "not a cache of DVC 3" in str(run(app, ["--cache", "nowhere"]).exception)
    assert "nothing to verify" in str(run(app, []).exception)
