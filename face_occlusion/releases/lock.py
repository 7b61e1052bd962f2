"""The lock: checksums of the release files that were used first, and are required from then on.

`sources.lock` is JSON, tracked in git: `SOURCE/FILE` -> its sha256, size and where it came from.
It holds the files without a public checksum. To take another version of a file on purpose, delete
its entry, or set `sources.NAME.accept_changed`.
"""

import json
from pathlib import Path
from typing import TypedDict

from filelock import FileLock

from face_occlusion.core.files import atomic_write
from face_occlusion.releases.table import SourceFile

LOCK = "sources.lock"


class LockEntry(TypedDict):
    """What is known of one file."""

    sha256: str
    size: int
    url: str


def read_lock(path: Path) -> dict[str, LockEntry]:
    """Read the lock; return an empty one if there is no file.

    Raises:
        ValueError: If it is damaged, as after a merge.
    """
    if not path.is_file():
        return {}
    try:
        entries = json.loads(path.read_text())
        for entry in entries.values():
            if not (isinstance(entry["sha256"], str) and isinstance(entry["size"], int)):
                raise TypeError(f"an entry is {entry!r}")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f"{path}: not a lock of releases ({error}); restore it: git checkout {path}"
        ) from error
    return entries


def add_to_lock(path: Path, entries: dict[str, LockEntry]) -> list[str]:
    """Add the files that are not in the lock yet; existing entries are kept.

    Several processes may do so at once.

    Returns:
        The names that were added.
    """
    if not entries:
        return []
    with FileLock(path.with_name(f".{path.name}.lock")):
        known = read_lock(path)
        new = {name: entry for name, entry in entries.items() if name not in known}
        if new:
            atomic_write(path, json.dumps({**known, **new}, indent=1, sort_keys=True) + "\n")
    return sorted(new)


def check_known(
    where: Path, source: str, file: SourceFile, size: int, sha256: str, lock: Path
) -> None:
    """Compare a file with what is published or locked.

    `where` is the file for the message, `size` and `sha256` are its own.

    Raises:
        ValueError: If it differs; says from what and what to do.
    """
    locked = read_lock(lock).get(f"{source}/{file.name}")
    known = [
        ("size", "published (releases/sources.yaml)", file.size, size),
        ("sha256", "published (releases/sources.yaml)", file.sha256, sha256),
    ]
    if locked is not None:
        known.append(("sha256", f"first seen ({lock})", locked["sha256"], sha256))
    for what, whence, expected, found in known:
        if expected is not None and expected != found:
            raise ValueError(
                f"{where}: its {what} is {found}, the one {whence} is {expected}. The file is "
                "damaged (delete it and fetch it again) or is another version of the release; to "
                f"use it knowingly set sources.{source}.accept_changed: true"
            )
