import json
import multiprocessing
import os
import pickle
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from face_occlusion.core.release import Release, ZipIndex
from tests.releases.build import make_release, write_zip
from tests.tables import refuses, rows

MEMBERS = {f"img/{number:03d}.bin": bytes([number]) * 5000 for number in range(60)}


@pytest.fixture
def release(tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    write_zip(folder / "Photos.zip", {**MEMBERS, "__MACOSX/img/._x": b"x", "img/": b""})
    with zipfile.ZipFile(folder / "Stored.zip", "w") as archive:
        archive.writestr("x.txt", "stored")
    loose = {"list.txt": b"\xef\xbb\xbfa.jpg\r\n\r\n b.jpg \n", "Masks/m/a.png": b"a"}
    return make_release(folder, "dtd", loose)


def test_folders_and_zips_read_alike(release):
    assert release.names[0] == "Masks/m/a.png"
    assert release.glob("Photos/img/*") == [f"Photos/{name}" for name in MEMBERS]
    assert release.read("Photos/img/007.bin") == MEMBERS["img/007.bin"]
    assert release.read("Stored/x.txt") == b"stored"
    assert release.read("Masks/m/a.png") == b"a"
    assert release.source == "dtd"
    assert release.absent is None


def test_files_that_cannot_be_read_are_listed_or_refused_by_name(release):
    assert release.lines("list.txt") == ["a.jpg", "b.jpg"]  # stripped, without empty ones
    (release.folder / "list.txt").write_bytes("é".encode("latin-1"))
    refuses(r"list\.txt: not a UTF-8 text", release.lines, "list.txt")
    link = release.folder / "Masks/m/gone.png"
    link.symlink_to("nowhere")
    assert "Masks/m/gone.png" in Release(release.folder).names
    with pytest.raises(FileNotFoundError, match=r"gone\.png"):
        Release(release.folder).read("Masks/m/gone.png")
    link.rename(link.with_name(os.fsdecode(b"a\xff.png")))
    with pytest.raises(ValueError, match=r"a\udcff\.png: its name is not UTF-8; rename it"):
        list(Release(release.folder).names)


@pytest.mark.parametrize(("method", "names", "message"), rows(__file__, "missed"))
def test_a_miss_lists_what_is_there(release, method, names, message):
    make_release(release.folder, "dtd", {"Twice/x.png": b""})
    refuses(message, getattr(Release(release.folder), method), *names)


def test_threads_and_processes_share_a_release(release):
    names = release.glob("Photos/*")
    expected = list(MEMBERS.values())
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(release.read, names * 20)) == expected * 20
    context = multiprocessing.get_context("fork")  # the archive is open before the fork
    workers = [context.Process(target=_check, args=(release, names, expected)) for _ in range(3)]
    for worker in workers:
        worker.start()
    _check(pickle.loads(pickle.dumps(release)), names, expected)
    for worker in workers:
        worker.join(30)
        assert worker.exitcode == 0


def _check(release, names, expected):
    assert [release.read(name) for name in names] == expected


@pytest.mark.parametrize(("archive", "start"), [("Photos.zip", 45), ("Stored.zip", 36)])
def test_damage_after_the_download_is_named(release, archive, start):
    path = release.folder / archive
    data = bytearray(path.read_bytes())
    data[start : start + 3] = b"\xff" * 3  # behind the first member's header and name
    assert release.names
    path.write_bytes(data)
    name = release.glob(f"{path.stem}/*")[0]
    refuses(f"{archive}: member '{name}' is damaged", release.read, name)


def test_a_folder_that_is_no_release_is_named_and_an_absent_one_says_why(tmp_path):
    for content, message in ((None, r"no such file; .*`stages\.download`"), ("{", "not readable")):
        if content:
            (tmp_path / "release.json").write_text(content)
        refuses(rf"release\.json: {message}", Release, tmp_path)
    (tmp_path / "release.json").write_text(json.dumps({"source": "cofw", "absent": "not here"}))
    release = Release(tmp_path)
    assert (release.absent, release.names) == ("not here", [])


def test_the_index_finds_every_member_and_nothing_else(tmp_path):
    names = {f"d{number % 3}/é{number}.bin": bytes([number]) for number in range(40)}
    paths = [write_zip(tmp_path / "A.zip", names), write_zip(tmp_path / "B.zip", {"x": b"1"})]
    index = ZipIndex(paths)
    assert list(index) == sorted([*(f"A/{name}" for name in names), "B/x"], key=str.encode)
    assert len(index) == 41
    for name in index:
        member = index.get(name)
        assert member is not None and (member[0], member[-1]) == (f"{name[0]}.zip", 1)
    for name in ("", "A/", "A/d0/é1", "B/x2", "zzz", "A"):
        assert index.get(name) is None
    assert len(ZipIndex([])) == 0 and ZipIndex([]).get("x") is None
