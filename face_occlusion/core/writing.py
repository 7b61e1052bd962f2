"""Files that are there whole or not at all: written aside, then renamed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def file_aside(path: Path) -> Iterator[Path]:
    """Yield `PATH.partial` to be written; at the end it replaces `path`, on an error it goes.

    Args:
        path: The file; its folder is made. What is there stays whole until it is replaced.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_aside(path: Path, content: bytes | str) -> None:
    """Write a whole file by `file_aside`; text as UTF-8, its line ends left as they are."""
    with file_aside(path) as partial:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)
