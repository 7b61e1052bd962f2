"""Fetch one file over HTTP: resumed, retried, checked, there whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import requests
from filelock import FileLock
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from face_occlusion.releases.partial import Partial, State
from face_occlusion.releases.webpages import check_content, explain_page

_CHUNK = 1 << 18
_PAGE_BYTES = 1 << 16  # of a page that came instead of a file: enough to know it
_TRANSIENT = (408, 425, 429, 500, 502, 503, 504)
_RETRY_AFTER_S = 300  # most that a server may ask us to wait


class TransferError(ValueError):
    """A file could not be fetched; the message says why and what to do."""


class _Interrupted(Exception):
    """The connection broke; what came is kept, and the next attempt goes on from there."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a server is waited for.

    Attributes:
        attempts: Connections in a row that may bring nothing before giving up.
        timeout_s: Silence of the server after which an attempt ends.
        backoff_s: Pause after the first failure; doubles with each, up to a minute.
    """

    attempts: int
    timeout_s: float
    backoff_s: float

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"attempts: must be at least 1; got {self.attempts}")
        if self.timeout_s <= 0:
            raise ValueError(f"timeout_s: must be positive; got {self.timeout_s}")
        if self.backoff_s < 0:
            raise ValueError(f"backoff_s: must not be negative; got {self.backoff_s}")


PATIENCE = Patience(attempts=8, timeout_s=60, backoff_s=1.0)


def fetch_file(
    url: str,
    folder: Path,
    sha256: str | None = None,
    *,
    name: str | None = None,
    patience: Patience = PATIENCE,
    stop: threading.Event | None = None,
) -> Path:
    """Fetch a file into a folder, unless it is there.

    While it comes it is `NAME.part`, with the server's word on which version it is in
    `NAME.part.json`: an interrupted download goes on where it stopped, if the server still has
    that version, and starts over if not. Several processes may ask for one file: one fetches.

    Args:
        url: `http://` or `https://`.
        folder: Created if need be.
        sha256: Its checksum or the first digits of it; None takes what comes.
        name: The file's name; None for the last part of the URL's path.
        patience: How long the server is waited for.
        stop: Set by another thread to give up; what came is kept.

    Returns:
        The file's path.

    Raises:
        TransferError: If it cannot be fetched, is a web page instead of the file, or has
            another checksum; names the URL and what to do.
    """
    target = folder / (name or unquote(urlsplit(url).path.rpartition("/")[2]))
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f".{target.name}.lock"):
        if not target.is_file():
            partial = Partial(target)
            _receive_all(url, partial, patience, stop or threading.Event())
            check_fetched(partial.path, target.name, url, sha256)
            partial.publish()
        elif sha256 is not None and not hash_file(target).startswith(sha256):
            raise TransferError(
                f"{target}: its sha256 does not start with {sha256}; delete it to fetch it again"
            )
    return target


def check_fetched(path: Path, name: str, url: str, sha256: str | None) -> None:
    """Check a complete download, and delete it if it is not what was wanted.

    Raises:
        TransferError: If it is a web page, is not of the kind its name says, or has another
            checksum.
    """
    try:
        check_content(path, name)
    except ValueError as error:
        path.unlink()
        raise TransferError(f"{url}: {error}") from error
    if sha256 is not None and not (found := hash_file(path)).startswith(sha256):
        path.unlink()
        raise TransferError(
            f"{url}: {name} came with sha256 {found}, expected {sha256}: it changed where it is "
            "published, or on its way; it was not kept"
        )


def hash_file(path: Path) -> str:
    """Return a file's sha256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _receive_all(url: str, partial: Partial, patience: Patience, stop: threading.Event) -> None:
    """Fill `NAME.part`, over as many connections as it takes."""
    failures = 0
    with _session(patience) as session, _bar(partial.target.name) as bar:
        while True:
            before = partial.size()
            try:
                _receive(session, url, partial, bar, patience, stop)
                return
            except _Interrupted as error:
                failures = 0 if partial.size() > before else failures + 1
                if failures >= patience.attempts:
                    raise TransferError(
                        f"{url}: given up after {failures} attempts that brought nothing: {error}; "
                        f"run again to go on from {partial.size():,} bytes"
                    ) from error
                time.sleep(min(patience.backoff_s * 2**failures, 60))


@contextlib.contextmanager
def _session(patience: Patience) -> Iterator[requests.Session]:
    retries = Retry(
        total=patience.attempts - 1,
        connect=min(patience.attempts - 1, 2),  # no such host, no network: soon known
        backoff_factor=patience.backoff_s,
        backoff_max=60,
        status_forcelist=_TRANSIENT,
        raise_on_status=False,
        retry_after_max=_RETRY_AFTER_S,
    )
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(max_retries=retries))
        session.mount("https://", HTTPAdapter(max_retries=retries))
        session.headers["Accept-Encoding"] = "identity"  # offsets count the file's own bytes
        yield session


def _bar(name: str) -> tqdm:
    return tqdm(unit="B", unit_scale=True, desc=name, leave=False, mininterval=0.5)


def _receive(
    session: requests.Session,
    url: str,
    partial: Partial,
    bar: tqdm,
    patience: Patience,
    stop: threading.Event,
) -> None:
    """Receive what is missing over one connection.

    Raises:
        _Interrupted: If the connection broke or went silent.
        TransferError: If the server refuses, or sends a web page.
    """
    state = partial.resumable(url)
    offset = partial.size() if state else 0
    headers = {"Range": f"bytes={offset}-", "If-Range": state.validator} if state else {}
    timeout = (min(patience.timeout_s, 30), patience.timeout_s)
    try:
        response = session.get(url, headers=headers, stream=True, timeout=timeout)
    except requests.RequestException as error:
        raise TransferError(f"{url}: cannot be reached: {reason_of(error)}") from error
    with response:
        offset, total = _agree_on_start(response, partial, state, offset)
        if total is not None and total - offset > shutil.disk_usage(partial.target.parent).free:
            raise TransferError(
                f"{url}: {total - offset:,} bytes to come, more than the disk of "
                f"{partial.target.parent} has left"
            )
        partial.begin(offset, State.of(url, response.headers, total))
        bar.reset(total=total)
        bar.update(offset)
        _append(response, partial, bar, stop)
    if total is not None and partial.size() != total:
        raise _Interrupted(f"{partial.size():,} of {total:,} bytes came")


def _agree_on_start(
    response: requests.Response, partial: Partial, state: State | None, offset: int
) -> tuple[int, int | None]:
    """Return the offset at which the response's body starts, and the whole file's size."""
    if state is not None and response.status_code in (206, 416):
        if not _continues(response, state, offset):
            partial.discard()
            raise _Interrupted("the server has another version than the one begun")
        return offset, state.total
    if response.status_code >= 400:
        raise TransferError(f"{response.url}: the server answers {_status(response)}")
    if response.headers.get("Content-Type", "").startswith("text/html"):
        page = next(response.iter_content(_PAGE_BYTES), b"")
        raise TransferError(f"{response.url}: {explain_page(page)}")
    length = response.headers.get("Content-Length")
    coded = response.headers.get("Content-Encoding", "identity") != "identity"
    # the whole file, from the start: nothing was asked for, the server knows no ranges, or has
    # another version
    return 0, int(length) if length is not None and not coded else None


def _continues(response: requests.Response, state: State, offset: int) -> bool:
    """Tell whether a response to a range is the rest of what is here."""
    ranged = response.headers.get("Content-Range", "")
    if response.status_code == 416:
        return ranged == f"bytes */{offset}"  # nothing is missing
    now = State.of(response.url, response.headers, None)
    start, _, total = ranged.removeprefix("bytes ").partition("/")
    return (
        now.validator in ("", state.validator)
        and start.partition("-")[0] == str(offset)
        and total in ("*", str(state.total))
    )


def _append(
    response: requests.Response, partial: Partial, bar: tqdm, stop: threading.Event
) -> None:
    if response.status_code == 416:
        return
    try:
        with partial.path.open("ab") as file:
            # read1 hands over what has come; iter_content drops a last piece that broke off
            while chunk := response.raw.read1(_CHUNK, decode_content=True):
                file.write(chunk)
                bar.update(len(chunk))
                if stop.is_set():
                    raise TransferError(f"{response.url}: stopped; run again to go on")
            file.flush()
            os.fsync(file.fileno())
    except HTTPError as error:
        raise _Interrupted(reason_of(error)) from error


def _status(response: requests.Response) -> str:
    what = f"{response.status_code} {response.reason}"
    if response.status_code in (401, 403):
        what += ": it asks for a login, or for terms to be agreed to"
    if response.status_code in (404, 410):
        what += ": the file is no longer there"
    return what


def reason_of(error: Exception) -> str:
    """Say in a few words what broke: the innermost cause, without the client's objects."""
    while isinstance(inner := getattr(error, "reason", None) or _first_error(error), Exception):
        error = inner
    text = str(error)
    return text.partition("): ")[2] or text or type(error).__name__


def _first_error(error: Exception) -> object:
    return next((arg for arg in error.args if isinstance(arg, Exception)), None)
