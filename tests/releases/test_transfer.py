import hashlib
import threading

import numpy as np
import pytest

from face_occlusion.releases.transfer import Patience, TransferError, fetch_file
from tests.releases import server as answers
from tests.releases.server import serving

CONTENT = b"PK\x03\x04" + np.random.default_rng(0).bytes(700_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
OTHER = b"PK\x03\x04" + np.random.default_rng(1).bytes(700_000)
QUICK = Patience(attempts=3, timeout_s=0.5, backoff_s=0.0)


@pytest.fixture
def server():
    with serving() as running:
        yield running


def fetch(server, folder, sha256=SHA256, path="/a.zip"):
    return fetch_file(server.url(path), folder, sha256, patience=QUICK)


def names(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_a_file_comes_whole_and_is_fetched_once(server, tmp_path):
    server.script["/a.zip"] = [answers.whole(CONTENT)]
    folder = tmp_path / "new" / "folder"
    assert fetch(server, folder).read_bytes() == CONTENT
    assert fetch(server, folder).read_bytes() == CONTENT
    assert len(server.seen) == 1
    assert names(folder) == ["a.zip"]


def test_a_truncated_answer_is_continued_where_it_broke(server, tmp_path):
    server.script["/a.zip"] = [
        answers.cut(CONTENT, 300_000),
        answers.cut(CONTENT, 200_000),
        answers.whole(CONTENT),
    ]
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges() == [None, "bytes=300000-", "bytes=500000-"]
    assert server.seen[1][1]["If-Range"] == '"1"'


def test_a_stalled_answer_is_continued_after_the_timeout(server, tmp_path):
    server.script["/a.zip"] = [answers.stalled(CONTENT, 300_000, server), answers.whole(CONTENT)]
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges() == [None, "bytes=300000-"]


def test_a_killed_download_goes_on_in_the_next_run(server, tmp_path):
    server.script["/a.zip"] = [answers.cut(CONTENT, 300_000), answers.status(404)]
    with pytest.raises(TransferError, match=r"a\.zip: the server answers 404 .* no longer there"):
        fetch(server, tmp_path)
    assert names(tmp_path) == ["a.zip.part", "a.zip.part.json"]
    server.script["/a.zip"] = [answers.whole(CONTENT)]
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges()[-1] == "bytes=300000-"
    assert names(tmp_path) == ["a.zip"]


@pytest.mark.parametrize("etag", ['"2"', 'W/"1"', None])
def test_a_file_that_changed_between_two_requests_starts_over(server, tmp_path, etag):
    server.script["/a.zip"] = [answers.cut(OTHER, 300_000), answers.whole(CONTENT, etag)]
    assert fetch(server, tmp_path).read_bytes() == CONTENT


def test_a_server_that_passes_over_if_range_is_found_out(server, tmp_path):
    def other_version(request):
        request.headers.replace_header("If-Range", '"2"')
        answers.whole(CONTENT, '"2"')(request)

    server.script["/a.zip"] = [answers.cut(OTHER, 300_000), other_version, answers.whole(CONTENT)]
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges() == [None, "bytes=300000-", None]


def test_a_server_without_ranges_starts_over(server, tmp_path):
    server.script["/a.zip"] = [answers.no_ranges(CONTENT, 300_000), answers.no_ranges(CONTENT)]
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges() == [None, "bytes=300000-"]


def test_without_a_validator_nothing_is_pieced_together(server, tmp_path):
    server.script["/a.zip"] = [answers.cut(OTHER, 300_000, etag=None), answers.whole(CONTENT)]
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges() == [None, None]


def test_last_modified_serves_where_there_is_no_strong_etag(server, tmp_path):
    day = "Wed, 01 Jan 2020 00:00:00 GMT"

    def first(request):
        request.start(200, len(CONTENT), ETag='W/"1"', Last_Modified=day)
        request.wfile.write(CONTENT[:300_000])

    def rest(request):
        assert request.headers["If-Range"] == day
        span = f"bytes 300000-{len(CONTENT) - 1}/{len(CONTENT)}"
        request.start(206, len(CONTENT) - 300_000, Content_Range=span, Last_Modified=day)
        request.wfile.write(CONTENT[300_000:])

    server.script["/a.zip"] = [first, rest]
    assert fetch(server, tmp_path).read_bytes() == CONTENT


def test_a_part_that_is_already_whole_is_taken(server, tmp_path):
    server.script["/a.zip"] = [answers.cut(CONTENT, 300_000), answers.status(404)]
    with pytest.raises(TransferError):
        fetch(server, tmp_path)
    (tmp_path / "a.zip.part").write_bytes(CONTENT)
    server.script["/a.zip"] = [answers.whole(CONTENT)]
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges()[-1] == f"bytes={len(CONTENT)}-"  # answered by 416


def test_busy_servers_are_asked_again(server, tmp_path):
    server.script["/a.zip"] = [
        answers.status(503, Retry_After="0"),
        answers.status(429),
        answers.whole(CONTENT),
    ]
    assert fetch(server, tmp_path).read_bytes() == CONTENT


def test_a_server_that_stays_busy_is_named(server, tmp_path):
    server.script["/a.zip"] = [answers.status(503)]
    with pytest.raises(TransferError, match=r"/a\.zip: the server answers 503"):
        fetch(server, tmp_path)
    assert len(server.seen) == QUICK.attempts


def test_attempts_that_bring_nothing_end(server, tmp_path):
    server.script["/a.zip"] = [answers.cut(CONTENT, 1000), answers.cut(CONTENT, 0)]
    with pytest.raises(TransferError, match=r"given up after 3 attempts .* from 1,000 bytes"):
        fetch(server, tmp_path)
    assert (tmp_path / "a.zip.part").stat().st_size == 1000


def test_no_server_is_named(server, tmp_path):
    with pytest.raises(TransferError, match=r"http://127\.0\.0\.1:9/a\.zip: cannot be reached: "):
        fetch_file("http://127.0.0.1:9/a.zip", tmp_path, patience=QUICK)


def test_redirects_are_followed(server, tmp_path):
    server.script["/a.zip"] = [answers.redirect(server.url("/there?key=1"))]
    server.script["/there"] = [answers.cut(CONTENT, 300_000), answers.whole(CONTENT)]
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert [path for path, _ in server.seen] == ["/a.zip", "/there?key=1"] * 2


QUOTA = "<html><title>Google Drive - Quota exceeded</title>Too many users have viewed</html>"
LOGIN = "<!DOCTYPE html><html><title>Sign in</title><a href=https://accounts.google.com/x></html>"
SCAN = "<html><title>Warning</title>Google Drive can't scan this file for viruses</html>"


@pytest.mark.parametrize(
    ("html", "said"),
    [
        (QUOTA, "quota page of Google Drive"),
        (LOGIN, "a login page instead of the file: sign in"),
        (SCAN, "too large to scan"),
        ("<html><title>Maintenance</title></html>", r"a web page \('Maintenance'\) instead"),
    ],
)
@pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", "application/octet-stream"])
def test_web_pages_are_known_for_what_they_are(server, tmp_path, html, said, content_type):
    server.script["/a.zip"] = [answers.page(html, content_type)]
    with pytest.raises(TransferError, match=said):
        fetch(server, tmp_path)
    assert "a.zip" not in names(tmp_path)
    server.script["/a.zip"] = [answers.whole(CONTENT)]
    assert fetch(server, tmp_path).read_bytes() == CONTENT  # nothing of the page is left over


def test_a_redirect_to_a_login_page_is_explained(server, tmp_path):
    server.script["/a.zip"] = [answers.redirect(server.url("/ServiceLogin"))]
    server.script["/ServiceLogin"] = [answers.page(LOGIN)]
    with pytest.raises(TransferError, match=r"/ServiceLogin: a login page"):
        fetch(server, tmp_path)


def test_another_kind_of_file_is_refused(server, tmp_path):
    server.script["/a.zip"] = [answers.whole(b"Rar!" + CONTENT)]
    with pytest.raises(TransferError, match=r"a\.zip starts with b'Rar!"):
        fetch(server, tmp_path, sha256=None)
    assert "a.zip" not in names(tmp_path)


def test_another_checksum_is_refused_and_not_kept(server, tmp_path):
    server.script["/a.zip"] = [answers.whole(OTHER)]
    with pytest.raises(TransferError, match=rf"came with sha256 \w+, expected {SHA256}"):
        fetch(server, tmp_path)
    assert names(tmp_path) == ["a.zip.part.json"]
    server.script["/a.zip"] = [answers.whole(CONTENT)]
    assert fetch(server, tmp_path, sha256=SHA256[:8]).read_bytes() == CONTENT


def test_a_damaged_file_on_disk_is_named(server, tmp_path):
    (tmp_path / "a.zip").write_bytes(OTHER)
    with pytest.raises(TransferError, match=r"a\.zip: its sha256 does not start with"):
        fetch(server, tmp_path)
    assert not server.seen


def test_a_full_disk_is_said_before(server, tmp_path):
    server.script["/a.zip"] = [lambda request: request.start(200, 1 << 60, ETag='"1"')]
    with pytest.raises(TransferError, match=r"more than the disk of .* has left"):
        fetch(server, tmp_path)


def test_stopping_keeps_what_came(server, tmp_path):
    server.script["/a.zip"] = [answers.slow(CONTENT, 40, 0.05)]
    stop = threading.Event()
    threading.Timer(0.4, stop.set).start()
    with pytest.raises(TransferError, match="stopped; run again to go on"):
        fetch_file(server.url("/a.zip"), tmp_path, patience=QUICK, stop=stop)
    came = (tmp_path / "a.zip.part").stat().st_size
    assert 0 < came < len(CONTENT)
    server.script["/a.zip"] = [answers.whole(CONTENT)]
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges()[-1] == f"bytes={came}-"


def test_two_who_want_one_file_fetch_it_once(server, tmp_path):
    server.script["/a.zip"] = [answers.slow(CONTENT, 5, 0.02)]
    threads = [threading.Thread(target=fetch, args=(server, tmp_path)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    assert len(server.seen) == 1
