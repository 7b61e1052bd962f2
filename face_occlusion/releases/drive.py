"""Fetch from Google Drive through gdown: files by their id, and by name from shared folders."""

from __future__ import annotations

import functools
import re
import threading
from pathlib import Path, PurePosixPath

import requests
from tqdm import tqdm

from face_occlusion.releases.table import match_published
from face_occlusion.releases.transfer import Patience, TransferError, check_fetched, reason_of
from face_occlusion.releases.webpages import explain_page

_FILE = re.compile(r"https://drive\.google\.com/file/d/([-\w]+)")
_FOLDER = re.compile(r"https://drive\.google\.com/drive/folders/([-\w]+)")
_listing = threading.Lock()  # files of one folder ask for its listing together: once will do


def is_drive(url: str) -> bool:
    """Tell whether an address is a file or a folder on Google Drive."""
    return bool(_FILE.match(url) or _FOLDER.match(url))


def fetch_drive_file(
    url: str, target: Path, sha256: str | None, patience: Patience, stop: threading.Event
) -> Path:
    """Fetch a file from Google Drive, unless it is there.

    Args:
        url: The address of the file, or of a folder that holds a file of the target's name.
        target: The file to write; while it comes it is `NAME.drive*.part`, gone on with by the
            next call.
        sha256: Its checksum, None to take what comes.
        patience: How long Drive is waited for.
        stop: Set by another thread to give up.

    Returns:
        The file's path.

    Raises:
        TransferError: If Drive shows its quota page or asks for a login, the folder holds no
            such file, or the file is another one.
    """
    if target.is_file():
        return target
    if match := _FOLDER.match(url):
        file_id = _find_in_folder(match[1], target.name, patience)
    elif match := _FILE.match(url):
        file_id = match[1]
    else:
        raise TransferError(f"{url}: neither a file nor a folder on Google Drive")
    target.parent.mkdir(parents=True, exist_ok=True)
    arrived = target.with_name(target.name + ".drive")
    _download(file_id, arrived, patience, stop)
    check_fetched(arrived, target.name, f"https://drive.google.com/file/d/{file_id}", sha256)
    return arrived.replace(target)


def _download(file_id: str, arrived: Path, patience: Patience, stop: threading.Event) -> None:
    import gdown  # here: it brings an HTML parser that few need
    from gdown.exceptions import DownloadCancelled, DownloadError, FileURLRetrievalError

    address = f"https://drive.google.com/file/d/{file_id}"
    with tqdm(unit="B", unit_scale=True, desc=arrived.stem, leave=False, mininterval=0.5) as bar:

        def progress(done: int, total: int | None) -> None:
            bar.total = total
            bar.update(done - bar.n)

        try:
            gdown.download(
                id=file_id,
                output=str(arrived),
                quiet=True,
                resume=True,
                retries=patience.attempts - 1,
                timeout=patience.timeout_s,
                progress=progress,
                cancel=stop,
            )
        except FileURLRetrievalError as error:
            raise TransferError(f"{address}: {explain_page(str(error))}") from error
        except DownloadCancelled as error:
            raise TransferError(f"{address}: stopped; run again to go on") from error
        except (DownloadError, requests.RequestException) as error:
            cause = error.__cause__
            why = reason_of(cause if isinstance(cause, Exception) else error)
            raise TransferError(f"{address}: {why}") from error


def _find_in_folder(folder_id: str, name: str, patience: Patience) -> str:
    address = f"https://drive.google.com/drive/folders/{folder_id}"
    with _listing:
        ids = _list_folder(folder_id, patience.timeout_s)
    match = match_published(name, ids)
    if match is None:
        found = ", ".join(sorted(ids)) or "none"
        raise TransferError(f"{address}: no file '{name}' in the folder; it holds {found}")
    return ids[match]


@functools.cache
def _list_folder(folder_id: str, timeout_s: float) -> dict[str, str]:
    """Map the name of each file in a shared folder, and in those within it, to its id."""
    import gdown
    from gdown.exceptions import DownloadError

    address = f"https://drive.google.com/drive/folders/{folder_id}"
    try:
        files = gdown.download_folder(
            id=folder_id, skip_download=True, quiet=True, timeout=timeout_s
        )
    except DownloadError as error:
        raise TransferError(f"{address}: {explain_page(str(error))}") from error
    except requests.RequestException as error:
        raise TransferError(f"{address}: cannot be reached: {reason_of(error)}") from error
    # what it returns with skip_download; its annotation also has the paths of downloaded files
    return {PurePosixPath(file.path).name: file.id for file in files}  # type: ignore[union-attr]
