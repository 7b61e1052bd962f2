"""A server on loopback that serves files well or badly, by script."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Reply = Callable[["Request"], None]


class Request(BaseHTTPRequestHandler):
    """One request; replies are functions of it."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_GET(self) -> None:
        self.server.seen.append((self.path, dict(self.headers)))
        self.close_connection = True
        replies = self.server.script.get(self.path.partition("?")[0], [])
        if not replies:
            self.send_error(404)
            return
        (replies.pop(0) if len(replies) > 1 else replies[0])(self)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the tests' output clean."""

    def start(self, status: int, length: int | None, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Connection", "close")
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.script: dict[str, list[Reply]] = {}
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.done = threading.Event()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"

    def ranges(self) -> list[str | None]:
        return [headers.get("Range") for _, headers in self.seen]


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.done.set()
        server.shutdown()
        server.server_close()
        thread.join()


def whole(
    content: bytes,
    etag: str | None = '"1"',
    *,
    after: int | None = None,
    stall: bool = False,
    pause_s: float = 0,
    **headers: str,
) -> Reply:
    """Serve a file with a strong ETag, in ranges and by If-Range; without an ETag always whole.

    Serve no more than `after` bytes of it, then close the connection, or fall silent (`stall`);
    pause after each twentieth of the file.
    """

    def reply(request: Request) -> None:
        extra = {"ETag": etag, **headers} if etag else headers
        wanted, if_range = request.headers.get("Range"), request.headers.get("If-Range")
        start = 0
        if wanted is not None and etag is not None and if_range in (None, etag):
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                request.start(416, 0, Content_Range=f"bytes */{len(content)}")
                return
            extra["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        request.start(206 if "Content-Range" in extra else 200, len(content) - start, **extra)
        end, step = len(content) if after is None else start + after, -(-len(content) // 20)
        for begin in range(start, end, step):
            request.wfile.write(content[begin : min(begin + step, end)])
            request.wfile.flush()
            time.sleep(pause_s)
        if stall:
            request.server.done.wait(20)

    return reply


def status(code: int, **headers: str) -> Reply:
    return lambda request: request.start(code, 0, **headers)


def page(html: str, content_type: str = "text/html; charset=utf-8") -> Reply:
    return whole(html.encode(), etag=None, Content_Type=content_type)
