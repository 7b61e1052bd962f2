"""Fetch files over HTTP and from Google Drive through gdown: resumed, retried and checked."""

import functools
import re
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import requests
from filelock import FileLock
from tqdm import tqdm

from face_occlusion.core.files import file_sha256
from face_occlusion.core.params import Checked, Count, Positive, read_yaml
from face_occlusion.releases.table import match_published

_DRIVE_FOLDER = re.compile(r"https://drive\.google\.com/drive/folders/([-\w]+)")
_TRANSIENT = (408, 425, 429, 500, 502, 503, 504)
_RETRY_AFTER_S = 300  # longest pause that a server may ask for
_UNREACHABLE_ATTEMPTS = 3  # no such host or no network: more attempts would not help
_listing = threading.Lock()  # files of one folder need its listing at the same time: fetch it once

_PAGES = read_yaml(Path(__file__).with_name("web_pages.yaml"))
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_HTML = re.compile(rb"\s*(<!doctype html|<html|<head|<\?xml[^>]*>\s*<!doctype html)", re.IGNORECASE)

# Endings whose files start with known bytes.
_MAGIC = {
    ".zip": (b"PK\x03\x04", b"PK\x05\x06"),
    ".7z": (b"7z\xbc\xaf\x27\x1c",),
    ".gz": (b"\x1f\x8b",),
    ".tgz": (b"\x1f\x8b",),
    ".pth": (b"PK\x03\x04", b"\x80"),
}


class TransferError(ValueError):
    """A file could not be fetched; the message says why and what to do."""


class _InterruptedTransfer(Exception):
    """A connection failed or broke; another attempt may succeed."""


@dataclass(frozen=True, kw_only=True)
class FetchParams(Checked):
    """Section `download.fetch`: how files are fetched that are not on disk."""

    parallel: Count  # files at once
    attempts: Count  # connections in a row that may bring nothing before giving up
    timeout_s: Positive  # silence of the server that ends an attempt


def fetch_file(
    url: str, target: Path, sha256: str | None, retry: FetchParams, stop: threading.Event
) -> Path:
    """Fetch a file, unless it is there.

    A partial download is kept as `NAME.fetched*.part`, which the next call resumes. Where the
    published file changed in between, its checksum, or the archive's own, gives that away.
    Several processes may ask for one file: one fetches it.

    `url` is `http://`, `https://`, or a folder on Google Drive that holds a file of the target's
    name; any content will do for a `sha256` of None. Set by another thread, `stop` gives up.
    Returns the target, whose folder is made.

    A file that cannot be fetched, is a web page, or has another checksum is a TransferError, which
    names the URL and what to do.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_name(f".{target.name}.lock")):
        if not target.is_file():
            if match := _DRIVE_FOLDER.match(url):
                url = f"https://drive.google.com/file/d/{_find_in_folder(match[1], target, retry)}"
            fetched = target.with_name(target.name + ".fetched")
            _download(url, fetched, retry, stop)
            _check_fetched(fetched, target.name, url, sha256)
            fetched.replace(target)
        elif sha256 is not None and file_sha256(target) != sha256:
            remedy = "delete it to download it again"
            raise TransferError(f"{target}: its sha256 is not {sha256}; {remedy}")
    return target


def _download(url: str, fetched: Path, retry: FetchParams, stop: threading.Event) -> None:
    """Fetch over as many connections as it takes; each resumes where the last one broke."""
    failures = 0
    while True:
        before = _partial_bytes(fetched)
        try:
            return _download_once(url, fetched, retry, stop)
        except _InterruptedTransfer as error:
            attempts = retry.attempts
            if isinstance(error.__cause__, requests.ConnectionError) and not before:
                attempts = min(attempts, _UNREACHABLE_ATTEMPTS)
            came = _partial_bytes(fetched)
            failures = 0 if came > before else failures + 1
            if failures >= attempts:
                raise TransferError(
                    f"{url}: {error}; gave up after {failures} attempts without progress: "
                    f"run again to resume from {came:,} bytes"
                ) from error
        if stop.wait(min(2 ** (failures - 1), 60) if failures else 0):
            raise TransferError(f"{url}: stopped; run again to resume")


def _download_once(url: str, fetched: Path, retry: FetchParams, stop: threading.Event) -> None:
    """Fetch over one connection; an _InterruptedTransfer says that another attempt may help."""
    import gdown  # imported here: it brings an HTML parser that only a download needs
    from gdown.exceptions import DownloadCancelled, DownloadError, FileURLRetrievalError

    with tqdm(unit="B", unit_scale=True, desc=fetched.stem, leave=False, mininterval=0.5) as bar:
        try:
            gdown.download(
                url=url,
                output=str(fetched),
                quiet=True,
                resume=True,
                timeout=(min(retry.timeout_s, 30), retry.timeout_s),
                progress=functools.partial(_progress, bar, url, fetched.parent),
                cancel=stop,
            )
        except FileURLRetrievalError as error:
            raise TransferError(f"{url}: {explain_page(str(error))}") from error
        except DownloadCancelled as error:
            raise TransferError(f"{url}: stopped; run again to resume") from error
        except requests.HTTPError as error:
            raise _explain_status(url, error, stop) from error
        except DownloadError as error:
            if "byte range" in str(error):  # no ranges, or another version than the partial file's
                for path in _partial_files(fetched):
                    path.unlink()
            raise _InterruptedTransfer(str(error).splitlines()[0]) from error
        except requests.RequestException as error:
            raise _InterruptedTransfer(f"cannot be reached: {_reason_of(error)}") from error


def _progress(bar: tqdm, url: str, folder: Path, done: int, total: int | None) -> None:
    """Update the bar; raise TransferError if the rest does not fit on the disk."""
    if total is not None and total - done > shutil.disk_usage(folder).free:
        raise TransferError(
            f"{url}: {total - done:,} bytes to come, more than the disk of {folder} has left"
        )
    bar.total = total
    bar.update(done - bar.n)


def _partial_files(fetched: Path) -> list[Path]:
    """List gdown's partial files, which have eight random characters before `.part`."""
    return [path for path in fetched.parent.glob("*.part") if path.name[:-13] == fetched.name]


def _partial_bytes(fetched: Path) -> int:
    return sum(path.stat().st_size for path in _partial_files(fetched))


def _check_fetched(path: Path, name: str, url: str, sha256: str | None) -> None:
    """Check a complete download, and delete it if it is not what was wanted."""
    try:
        check_content(path, name)
        if sha256 is not None and (found := file_sha256(path)) != sha256:
            raise ValueError(
                f"{name} came with sha256 {found}, expected {sha256}: the published file changed, "
                "or the download was damaged; it was not kept"
            )
    except ValueError as error:
        path.unlink()
        raise TransferError(f"{url}: {error}") from error


def _find_in_folder(folder_id: str, target: Path, retry: FetchParams) -> str:
    """Return the id of the file of the target's name in a shared folder on Google Drive."""
    with _listing:
        ids = _list_folder(folder_id, retry.timeout_s)
    match = match_published(target.name, ids)
    if match is None:
        found = ", ".join(sorted(ids)) or "none"
        raise TransferError(
            f"https://drive.google.com/drive/folders/{folder_id}: no file '{target.name}' in the "
            f"folder; it holds {found}"
        )
    return ids[match]


@functools.cache
def _list_folder(folder_id: str, timeout_s: float) -> dict[str, str]:
    """Map the name of each file in a shared folder, and in those within it, to its id."""
    import gdown
    from gdown.exceptions import DownloadError

    address = f"https://drive.google.com/drive/folders/{folder_id}"
    try:
        options: Any = {"skip_download": True, "quiet": True, "timeout": timeout_s}
        files = gdown.download_folder(id=folder_id, **options)
    except DownloadError as error:
        raise TransferError(f"{address}: {explain_page(str(error))}") from error
    except requests.RequestException as error:
        raise TransferError(f"{address}: cannot be reached: {_reason_of(error)}") from error
    return {PurePosixPath(file.path).name: file.id for file in files}  # type: ignore[union-attr]  # no str with skip_download


def _explain_status(url: str, error: requests.HTTPError, stop: threading.Event) -> Exception:
    """Return the error to raise for an HTTP status, after the pause that a busy server asks for."""
    response = error.response
    assert response is not None  # raise_for_status sets it
    answer = f"the server answers {response.status_code} {response.reason}"
    if response.status_code in _TRANSIENT:
        if (pause := response.headers.get("Retry-After", "")).isdigit():
            stop.wait(min(int(pause), _RETRY_AFTER_S))
        return _InterruptedTransfer(answer)
    if response.status_code in (401, 403):
        answer += ": it asks for a login, or for terms to be agreed to"
    if response.status_code in (404, 410):
        answer += ": the file is no longer there"
    return TransferError(f"{url}: {answer}")


def _reason_of(error: Exception) -> str:
    """Return the innermost cause of a client's error, without the names of its objects."""
    inner: object = error
    while isinstance(inner, Exception):
        error = inner
        causes = (getattr(error, "reason", None), *error.args)
        inner = next((cause for cause in causes if isinstance(cause, Exception)), None)
    text = str(error)
    return text.partition("): ")[2] or text or type(error).__name__


def explain_page(page: bytes | str) -> str:
    """Say what a web page that came instead of a file means, and what to do.

    `page` is its start, or the message that a client took from it.
    """
    text = page.decode("utf-8", "replace") if isinstance(page, bytes) else page
    for known in _PAGES:
        if re.search(known["pattern"], text, re.IGNORECASE):
            return known["meaning"]
    title = match[1].strip() if (match := _TITLE.search(text)) else text[:80].strip()
    return f"a web page ('{title}') instead of the file: open the address in a browser to see why"


def check_content(path: Path, name: str) -> None:
    """Check that a file starts as files of its published `name` do.

    One that is empty, a web page, or starts otherwise is a ValueError that says what to do.
    """
    with path.open("rb") as file:
        start = file.read(1 << 16)
    if not start:
        raise ValueError(f"an empty file; expected {name} as published")
    if _HTML.match(start) and not name.lower().endswith((".html", ".htm")):
        raise ValueError(f"{name} is {explain_page(start)}")
    magic = _MAGIC.get(Path(name.lower()).suffix)
    if magic and not start.startswith(magic):
        raise ValueError(f"{name} starts with {start[:8]!r}, as no {Path(name).suffix} file does")
