"""Find the files of releases in one folder of archives, and fetch those that are missing."""

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from face_occlusion.core.files import file_sha256
from face_occlusion.core.params import FILLED, Checked
from face_occlusion.miniature.archives import MiniatureParams
from face_occlusion.releases import table
from face_occlusion.releases.table import LockEntry, Source, SourceFile
from face_occlusion.releases.transfer import FetchParams, TransferError, fetch_file


@dataclass(frozen=True, kw_only=True)
class SourceParams(Checked):
    """Section `sources.NAME`: where a release comes from."""

    origin: Literal["url", "folder", "miniature", "absent"]
    # The files to take; None: all that the source needs.
    files: Annotated[Sequence[str], FILLED] | None
    accept_changed: bool  # take files that differ from the published or first seen checksum
    why: str | None  # of origin absent: what a reader of an empty cell is told

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.origin == "absent" and not self.why:
            raise ValueError("why: must say why the source is absent")


@dataclass(frozen=True, kw_only=True)
class ArchiveDir:
    """The folder of archives, and how missing ones are fetched into it."""

    archives_dir: Path  # its subfolders are not searched
    lock: Path  # the lock of checksums
    fetch: FetchParams
    profile: Mapping[str, SourceParams]  # every source, so that one error lists all that is missing


@dataclass(frozen=True, kw_only=True)
class DownloadParams(Checked):
    """Section `download` of params.yaml."""

    archives_dir: str  # where archives lie; those that can be fetched are fetched into it
    drawn_by: str  # the code that draws releases, or any file that never changes: for DVC alone
    fetch: FetchParams
    miniature: MiniatureParams

    def archive_dir(self, profile: Mapping[str, SourceParams]) -> ArchiveDir:
        """Return the folder that the sources of a profile are taken from."""
        return ArchiveDir(
            archives_dir=Path(self.archives_dir),
            lock=Path(table.LOCK),
            fetch=self.fetch,
            profile=profile,
        )


@dataclass(frozen=True, kw_only=True)
class FileState:
    """One file of a release: what is known of it, and where it lies."""

    source: str  # its source's name
    file: SourceFile
    path: Path | None  # None if it is missing
    locked: LockEntry | None  # its entry in the lock, if any
    origin: str  # `url` if it may be fetched, else `folder`
    needed: bool  # whether the source cannot do without it
    checked: bool  # whether another checksum is refused

    @property
    def fetchable(self) -> bool:
        """Whether it can be fetched by a program."""
        return self.origin == "url" and bool(self.file.urls)

    @property
    def sha256(self) -> str | None:
        """The checksum it must have, None if any will do."""
        if not self.checked:
            return None
        return self.file.sha256 or (self.locked["sha256"] if self.locked else None)


def survey(profile: Mapping[str, SourceParams], archives: ArchiveDir) -> list[FileState]:
    """List the files that sources read from the folder, in the table's order.

    An unknown source, or one of its `files` that is, is a ValueError.
    """
    folder = archives.archives_dir.expanduser()
    paths = folder.iterdir() if folder.is_dir() else ()
    present = sorted(path.name for path in paths if path.is_file())
    lock = table.read_lock(archives.lock)
    states = []
    for name, params in profile.items():
        if params.origin not in ("url", "folder"):
            continue
        source = table.find_source(name)
        for file in _wanted(source, params):
            match = table.match_published(file.name, present)
            states.append(
                FileState(
                    source=name,
                    file=file,
                    path=folder / match if match else None,
                    locked=lock.get(f"{name}/{file.name}"),
                    origin=params.origin,
                    needed=file.required or params.files is not None,
                    checked=not params.accept_changed,
                )
            )
    return states


def _wanted(source: Source, params: SourceParams) -> Sequence[SourceFile]:
    if params.files is not None:
        return [source.file(name) for name in params.files]
    if params.origin == "url" and not any(file.required for file in source.files):
        known = ", ".join(file.name for file in source.files)
        raise ValueError(f"sources.{source.name}.files: name those to fetch, of {known}")
    return source.files


def gather(name: str, params: SourceParams, archives: ArchiveDir) -> list[tuple[SourceFile, Path]]:
    """Return a source's files and where they lie, fetching those that are missing.

    If a needed one cannot be had, a ValueError lists those of every source.
    """
    states = survey({name: params}, archives)
    failures = fetch_missing(states, archives)
    states = survey({name: params}, archives)
    missing = [state for state in states if state.path is None]
    if any(state.needed for state in missing):
        raise ValueError(_state_what_is_missing(name, archives, failures))
    found = [(state.file, state.path) for state in states if state.path is not None]
    if not found:
        raise ValueError(
            f"download.archives_dir: source '{name}' has no file in '{archives.archives_dir}'; "
            f"expected some of {', '.join(state.file.name for state in states)}, published at "
            f"{states[0].file.page}"
        )
    for (_, missed), why in failures.items():
        logging.warning("%s: done without %s: %s", name, missed, why)
    return found


def fetch_missing(states: Iterable[FileState], archives: ArchiveDir) -> dict[tuple[str, str], str]:
    """Fetch the files that are missing and can be fetched, several at once.

    Fetched files are kept even if others fail. Returns (source, file) -> why it was not fetched.
    """
    wanted = [state for state in states if state.path is None and state.fetchable]
    failures: dict[tuple[str, str], str] = {}
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # it tells of each retry
    stop = threading.Event()
    pool = ThreadPoolExecutor(archives.fetch.parallel)
    try:
        futures = {pool.submit(_fetch, state, archives, stop): state for state in wanted}
        for future, state in futures.items():
            try:
                logging.info("%s: fetched", future.result())
            except TransferError as error:
                failures[state.source, state.file.name] = str(error)
    finally:  # an interrupt ends the threads at their next piece; what came is kept
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)
    return failures


def _fetch(state: FileState, archives: ArchiveDir, stop: threading.Event) -> Path:
    target = archives.archives_dir.expanduser() / state.file.name
    reasons = []
    for url in state.file.urls:
        try:
            path = fetch_file(url, target, state.sha256, archives.fetch, stop)
        except TransferError as error:
            reasons.append(str(error))
            continue
        expected = state.file.size if state.checked else None
        if expected is not None and (size := path.stat().st_size) != expected:
            path.unlink()
            reasons.append(f"{url}: {size:,} bytes came, {expected:,} are published")
            continue
        return path
    raise TransferError("; ".join(reasons))


def _state_what_is_missing(
    name: str, archives: ArchiveDir, failures: Mapping[tuple[str, str], str]
) -> str:
    """List every file to be had by hand: this source's, then the other sources'."""
    states = survey(archives.profile, archives)
    missing = [state for state in states if state.path is None and state.needed]
    own = [state for state in missing if state.source == name]
    others = [state for state in missing if state.source != name]
    there = "" if archives.archives_dir.expanduser().is_dir() else " (no such folder)"
    lines = [
        f"download.archives_dir: source '{name}' needs files that are not in "
        f"'{archives.archives_dir}'{there}. Put them there as published, without unpacking:"
    ]
    lines += [_describe(state, failures) for state in own]
    if others:
        lines.append("Other sources of params.yaml lack:")
        lines += [_describe(state, failures) for state in others]
    lines.append(
        "To do without a source, set sources.NAME to {origin: absent, why: ...}: what needs it "
        "stays empty and says so. `face-occlusion fetch --list` shows what is there."
    )
    return "\n".join(lines)


def _describe(state: FileState, failures: Mapping[tuple[str, str], str]) -> str:
    size = f", {state.file.size:,} bytes" if state.file.size else ""
    text = f"  {state.file.name} ({state.source}{size})\n    from {state.file.page}"
    if not state.fetchable:
        hint = f"; sources.{state.source}.origin: url would fetch it" if state.file.urls else ""
        return f"{text}\n    by hand{hint}"
    if list(state.file.urls) != [state.file.page]:
        text += f"\n    as {' or '.join(state.file.urls)}"
    why = failures.get((state.source, state.file.name))
    return f"{text}\n    could not be fetched: {why}" if why else text


def check_state(state: FileState, archives: ArchiveDir) -> str | None:
    """Hash a file that is there. Returns what is wrong with it, None if nothing is known of it."""
    if state.path is None or not state.checked:
        return None
    try:
        size, sha256 = state.path.stat().st_size, file_sha256(state.path)
        table.check_known(state.path, state.source, state.file, size, sha256, archives.lock)
    except ValueError as error:
        return str(error)
    return None


def report_state(state: FileState, wrong: str | None, failure: str | None) -> str:
    """Describe a file in a line; below it what is wrong, or where it comes from."""
    label = f"{state.source}/{state.file.name}"
    if state.path is None:
        how = "can be fetched" if state.fetchable else "by hand"
        need = "missing" if state.needed else "missing, not needed"
        size = f", {state.file.size:,} bytes" if state.file.size else ""
        text = f"{need}: {label} ({how}{size})\n    {state.file.page}"
        return f"{text}\n    {failure}" if failure else text
    known = "checksum not known yet"
    if not state.checked:
        known = "any checksum is accepted"
    elif state.file.sha256:
        known = f"published sha256 {state.file.sha256[:12]}"
    elif state.locked:
        known = f"locked sha256 {state.locked['sha256'][:12]}"
    text = f"there: {label} ({state.path.stat().st_size:,} bytes, {known})"
    return f"{text}\n    {wrong}" if wrong else text
