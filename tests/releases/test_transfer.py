import hashlib
import threading

import numpy as np
import pytest

from face_occlusion.releases.transfer import FetchParams, TransferError, fetch_file
from tests.releases import server as answers
from tests.tables import refuses, rows

CONTENT = b"PK\x03\x04" + np.random.default_rng(0).bytes(2_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
OTHER = b"PK\x03\x04" + np.random.default_rng(1).bytes(2_000_000)
QUICK = FetchParams(attempts=2, timeout_s=0.5, parallel=1)
PIECE = 512 * 1024  # gdown writes whole pieces


def fetch(server, folder, sha256=SHA256, path="/a.zip", stop=None):
    return fetch_file(server.url(path), folder / "a.zip", sha256, QUICK, stop or threading.Event())


def names(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_a_file_comes_whole_through_a_redirect_and_is_fetched_once(server, tmp_path):
    server.script["/a.zip"] = [answers.status(302, Location=server.url("/there?key=1"))]
    server.script["/there"] = [answers.whole(CONTENT)]
    folder = tmp_path / "new" / "folder"
    for _ in range(2):
        assert fetch(server, folder).read_bytes() == CONTENT
    assert [path for path, _ in server.seen] == ["/a.zip", "/there?key=1"]
    assert names(folder) == ["a.zip"]


@pytest.mark.parametrize("stall", [False, True])
def test_a_broken_answer_is_resumed_where_it_broke(server, tmp_path, stall):
    broken = answers.whole(CONTENT, after=PIECE + 1000, stall=stall)
    server.script["/a.zip"] = [broken, answers.whole(CONTENT)]
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert f"bytes={PIECE}-" in server.ranges()
    assert names(tmp_path) == ["a.zip"]


@pytest.mark.parametrize("etag", [None, '"1"'], ids=["without ranges", "busy"])
def test_other_servers_are_asked_again_from_the_start(server, tmp_path, etag):
    broken = (
        answers.status(429, Retry_After="0") if etag else answers.whole(CONTENT, None, after=PIECE)
    )
    server.script["/a.zip"] = [broken, answers.whole(CONTENT, etag)]
    assert fetch(server, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/octet-stream", "moved"])
@pytest.mark.parametrize(("html", "said"), rows(__file__, "pages"))
def test_web_pages_are_known_for_what_they_are(server, tmp_path, html, said, kind):
    server.script["/a.zip"] = server.script["/ServiceLogin"] = [answers.page(html, kind)]
    if kind == "moved":
        server.script["/a.zip"] = [answers.status(302, Location=server.url("/ServiceLogin"))]
    refuses(said, fetch, server, tmp_path)
    assert "a.zip" not in names(tmp_path)
    server.script["/a.zip"] = [answers.whole(CONTENT)]
    assert fetch(server, tmp_path).read_bytes() == CONTENT  # nothing of the page is left over


CHANGED_MEANWHILE = [answers.whole(OTHER, after=PIECE + 1000), answers.whole(CONTENT, '"2"')]
WRONG_HASH = rf"came with sha256 \w+, expected {SHA256}"


@pytest.mark.parametrize(
    ("replies", "sha256", "said"),
    [
        ([answers.whole(b"Rar!" + CONTENT)], None, r"a\.zip starts with b'Rar!"),
        ([answers.whole(OTHER)], SHA256, WRONG_HASH),
        (CHANGED_MEANWHILE, SHA256, WRONG_HASH),
    ],
)
def test_another_file_is_refused_and_not_kept(server, tmp_path, replies, sha256, said):
    server.script["/a.zip"] = [*replies]
    refuses(said, fetch, server, tmp_path, sha256=sha256)
    assert names(tmp_path) == []
    server.script["/a.zip"] = [answers.whole(CONTENT)]
    assert fetch(server, tmp_path).read_bytes() == CONTENT


def test_what_ends_a_download_is_said(server, tmp_path):
    def too_much(request):
        request.start(200, 1 << 60)
        request.wfile.write(CONTENT)

    two_pieces = [answers.whole(CONTENT, after=size) for size in (PIECE + 1000, 0)]
    for name, replies, said in (
        ("busy", [answers.status(503)], r"/a\.zip: the server answers 503"),
        ("gone", [answers.status(404)], r"a\.zip: the server answers 404 .* no longer there"),
        ("ended", two_pieces, "gave up after 2 attempts .* from 524,288 bytes"),
        ("full", [too_much], "more than the disk of .* has left"),
    ):
        server.script["/a.zip"] = replies
        refuses(said, fetch, server, tmp_path / name)
    server.seen.clear()
    (tmp_path / "a.zip").write_bytes(OTHER)
    refuses(r"a\.zip: its sha256 is not", fetch, server, tmp_path)
    assert not server.seen
    with pytest.raises(TransferError, match=r"http://127\.0\.0\.1:9/b\.zip: cannot be reached: "):
        fetch_file("http://127.0.0.1:9/b.zip", tmp_path / "b.zip", None, QUICK, threading.Event())


def test_stopping_keeps_what_came(server, tmp_path):
    server.script["/a.zip"] = [answers.whole(CONTENT, pause_s=0.1)]
    stop = threading.Event()
    threading.Timer(1, stop.set).start()
    refuses("stopped; run again to resume", fetch, server, tmp_path, stop=stop)
    (partial,) = tmp_path.glob("a.zip.fetched*.part")
    came = partial.stat().st_size
    assert 0 < came < len(CONTENT)
    server.script["/a.zip"] = [answers.whole(CONTENT)]
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges()[-1] == f"bytes={came}-"


def test_two_who_want_one_file_fetch_it_once(server, tmp_path):
    server.script["/a.zip"] = [answers.whole(CONTENT, pause_s=0.005)]
    threads = [threading.Thread(target=fetch, args=(server, tmp_path)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    assert len(server.seen) == 1
