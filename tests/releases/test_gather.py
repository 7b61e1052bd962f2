import hashlib
import json
import logging
import re
import threading
from dataclasses import replace

import pytest

from face_occlusion.releases import table
from face_occlusion.releases.fetch import fetch_release
from face_occlusion.releases.gather import SourceParams, fetch_missing, survey
from face_occlusion.releases.table import SOURCES, Source, SourceFile
from tests.releases import server as answers
from tests.releases.build import archive_dir, write_tar, write_zip
from tests.tables import refuses, rows
from tests.tiny import profile, profile_text, write_params

URL = SourceParams(origin="url", files=None, accept_changed=False, why=None)
FOLDER = replace(URL, origin="folder")
FILE_ID, FOLDER_ID = "1badu11NqxGf6qM3PTTooQDJvQbejgbTv", "15nZETWlGMdcKY6aHbchRsWkUI42KTNs5"


@pytest.fixture
def archives(tmp_path, server):
    """The bytes of three archives, as published; the server serves the first."""
    zipped = write_zip(tmp_path / "x.zip", {"a/1.txt": b"1" * 5000}).read_bytes()
    tarred = write_tar(tmp_path / "x.tar.gz", {"b/2.txt": b"2" * 5000}).read_bytes()
    server.script["/A.zip"] = [answers.whole(zipped)]
    return {"A.zip": zipped, "B.tar.gz": tarred, "list.txt": b"1.txt\n"}


@pytest.fixture
def use_sources(monkeypatch):
    """Replace the table of sources by sources of some files."""

    def use(**sources):
        made = {
            name: Source(name=name, title=name, licence="none", files=files)
            for name, files in sources.items()
        }
        monkeypatch.setattr(table, "SOURCES", made)

    return use


def http_file(server, name, *more, **known):
    urls = (server.url(f"/{name}"), *more)
    return SourceFile(name=name, page=f"https://example.org/{name}", urls=urls, **known)


def lay_out(tmp_path, name="one", params=URL, profile=None):
    lock = tmp_path / "sources.lock"
    folder = archive_dir(tmp_path / "archives", lock, profile or {name: params})
    options = {"archives": folder, "draw_miniature": lambda *_: None}
    return fetch_release(name, tmp_path / "raw", params, **options)


def test_a_release_is_fetched_laid_out_and_locked(server, tmp_path, use_sources, archives):
    for name, content in archives.items():
        server.script[f"/{name}"] = [answers.whole(content, after=40), answers.whole(content)]
    use_sources(one=tuple(http_file(server, name) for name in archives))
    release = lay_out(tmp_path)
    assert release.names == ["A/a/1.txt", "B/b/2.txt", "list.txt"]
    lock = json.loads((tmp_path / "sources.lock").read_text())
    zipped = archives["A.zip"]
    known = {"sha256": hashlib.sha256(zipped).hexdigest(), "size": len(zipped)}
    assert lock["one/A.zip"] == known | {"url": server.url("/A.zip")}
    assert not list((tmp_path / "archives").glob("*.part*"))
    (tmp_path / "raw").rename(tmp_path / "first")
    fetched = tmp_path / "archives" / "A.zip"
    fetched.rename(fetched.with_name("a.zip"))  # another spelling
    server.seen.clear()
    assert lay_out(tmp_path).names == release.names and not server.seen


def test_a_file_changed_since_it_was_locked_is_refused(server, tmp_path, use_sources, archives):
    use_sources(one=(http_file(server, "A.zip"),))
    lay_out(tmp_path)
    (tmp_path / "raw").rename(tmp_path / "first")
    (tmp_path / "archives" / "A.zip").unlink()
    other = write_zip(tmp_path / "y.zip", {"a/1.txt": b"another"}).read_bytes()
    server.script["/A.zip"] = [answers.whole(other)]
    refuses(r"could not be fetched: .*came with sha256", lay_out, tmp_path)
    assert not (tmp_path / "archives" / "A.zip").exists()
    accepted = replace(URL, accept_changed=True)
    assert lay_out(tmp_path, params=accepted).read("A/a/1.txt") == b"another"


def test_the_next_address_is_tried_and_an_optional_file_left(
    server, tmp_path, use_sources, archives, caplog
):
    for known, message in [({"size": 7}, "7 are published"), ({"sha256": "ab"}, "expected ab")]:
        use_sources(one=(http_file(server, "A.zip", **known),))
        refuses(message, lay_out, tmp_path)
    server.script["/A.zip"] = [answers.page("<html><title>Moved</title></html>")]
    server.script["/mirror"] = [answers.whole(archives["A.zip"])]
    optional = http_file(server, "extra.txt", required=False)
    use_sources(one=(http_file(server, "A.zip", server.url("/mirror")), optional))
    with caplog.at_level(logging.WARNING):
        assert lay_out(tmp_path).names == ["A/a/1.txt"]
    assert "one: done without extra.txt" in caplog.text


def test_several_files_come_at_once(server, tmp_path, use_sources, archives):
    names = [f"{number}.zip" for number in range(4)]
    together = threading.Barrier(len(names), timeout=10)  # breaks unless all are asked for at once

    def reply(request):
        together.wait()
        answers.whole(archives["A.zip"])(request)

    for name in names:
        server.script[f"/{name}"] = [reply]
    use_sources(one=tuple(http_file(server, name) for name in names))
    folder = archive_dir(tmp_path / "archives", tmp_path / "lock", {"one": URL}, parallel=4)
    assert fetch_missing(survey({"one": URL}, folder), folder) == {}
    assert all(state.path for state in survey({"one": URL}, folder))


def test_one_error_lists_every_missing_file(server, tmp_path, use_sources, archives):
    by_hand = SourceFile(name="Gated.7z", page="https://example.org/agree-to-terms")
    use_sources(
        one=(http_file(server, "A.zip"), http_file(server, "gone.zip"), by_hand),
        two=(SourceFile(name="Masks.zip", page="the authors, on request", size=12),),
        three=(http_file(server, "B.tar.gz"),),
    )
    profile = {"one": URL, "two": URL, "three": FOLDER}
    with pytest.raises(ValueError) as error:
        lay_out(tmp_path, profile=profile)
    message = str(error.value)
    assert "  A.zip" not in message  # it came, and stays
    assert (tmp_path / "archives" / "A.zip").is_file()
    assert f"not in '{tmp_path / 'archives'}'" in message
    assert [text for text in rows(__file__, "missing") if text not in message] == []


# Google Drive


def drive_page(*rows):
    link = '<a href="https://drive.google.com/file/d/{}/view">{}</a>'
    links = [link.format(*row) for row in rows]
    return answers.page(f"<html><title>Release</title>{''.join(links)}</html>")


def drive_link(name, id_=FILE_ID, kind="file/d"):
    return SourceFile(name=name, page="p", urls=(f"https://drive.google.com/{kind}/{id_}",))


ATTACHED = {"Content_Disposition": 'attachment; filename="x"', "Content_Type": "x"}


def test_drive_gives_files_by_id_and_by_name_in_a_folder(server, tmp_path, use_sources, archives):
    ids = {FILE_ID: "A.zip", "a" * 33: "list.txt", "b" * 33: "B.tar.gz"}
    for id_, name in ids.items():
        server.script[f"/drive/{id_}"] = [answers.whole(archives[name], **ATTACHED)]
    listed = drive_page(("a" * 33, "List.TXT"), ("b" * 33, "b.tar.gz"))
    server.script[f"/drive/{FOLDER_ID}"] = [listed]
    listed = [drive_link(name, FOLDER_ID, "drive/folders") for name in ("list.txt", "B.tar.gz")]
    use_sources(one=(drive_link("A.zip"), *listed))
    assert lay_out(tmp_path).names == ["A/a/1.txt", "B/b/2.txt", "list.txt"]
    assert [path for path, _ in server.seen].count(f"/drive/{FOLDER_ID}") == 1
    names = [p.name for p in (tmp_path / "archives").iterdir() if p.suffix != ".lock"]
    assert sorted(names) == ["A.zip", "B.tar.gz", "list.txt"]


def test_drives_pages_are_explained(server, tmp_path, use_sources):
    quota = answers.page('<p class="uc-error-subcaption">Too many users have viewed this</p>')
    login = answers.page("<html><title>Sign in - Google Accounts</title>")
    other = drive_page(("d" * 33, "Other.zip"))
    for id_, kind, reply, said in (
        (FILE_ID, "file/d", quota, "https://drive.*the quota page of Google Drive"),
        (FILE_ID, "file/d", login, "Google Drive"),
        (FOLDER_ID, "drive/folders", other, r"no file 'A\.zip' in the folder; it holds Other"),
    ):
        server.script[f"/drive/{id_}"] = [reply]
        use_sources(one=(drive_link("A.zip", id_, kind),))
        refuses(f"could not be fetched: .*{said}", lay_out, tmp_path)


# The table and the command


def test_every_file_says_where_it_comes_from(tmp_path):
    files = [file for source in SOURCES.values() for file in source.files]
    assert len(files) == len({file.name for file in files})
    drive = r"https://drive\.google\.com/(file/d|drive/folders)/[-\w]+"
    for file in files:
        assert file.page and bool(file.urls) == bool(file.seen), file.name
        for url in file.urls:
            assert re.match(drive if "drive.google.com" in url else "https?://", url)
    with pytest.raises(ValueError, match=r"sources\.coco\.files: name those to fetch, of coco_obj"):
        survey({"coco": URL}, archive_dir(tmp_path, tmp_path / "lock", {}))


def test_profiles_list_what_is_missing_and_how_to_get_it(tmp_path, monkeypatch, invoke):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(profile_text("paper"))
    printed = invoke("fetch", "--list", status=1)
    assert [line for line in rows(__file__, "listed") if line not in printed] == []
    (tmp_path / "params.yaml").write_text(profile_text("miniature"))
    assert "dtd: nothing to fetch (origin: miniature)" in invoke("fetch")
    assert "sources has no ['x']" in invoke("fetch", "x", status=1)


def test_the_command_fetches_lists_and_checks(
    server, tmp_path, use_sources, archives, monkeypatch, invoke
):
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path / "params.yaml", profile("paper") | {"sources": {"one": vars(URL)}})
    sha256 = hashlib.sha256(archives["A.zip"]).hexdigest()
    files = (http_file(server, "A.zip", sha256=sha256), http_file(server, "list.txt"))
    use_sources(one=files)
    for name in ("A.zip", "list.txt"):
        server.script[f"/{name}"] = [answers.whole(archives[name])]
    printed = invoke("fetch", "one")
    assert f"there: one/A.zip ({len(archives['A.zip'])} bytes, published sha256" in printed
    assert "list.txt (6 bytes, checksum not known yet)" in printed
    invoke("fetch", "--list", "--check")
    (tmp_path / "archives" / "A.zip").write_bytes(archives["A.zip"] + b"x")
    assert "its sha256 must be" in invoke("fetch", "--list", "--check", status=1)
