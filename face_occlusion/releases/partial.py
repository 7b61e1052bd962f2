"""A download in progress: `NAME.part`, and beside it which version of which URL it belongs to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class State:
    """What a partial download belongs to.

    Attributes:
        url: Where it comes from.
        validator: A strong ETag, else the time of the last change, as the server words it
            (RFC 9110, 13.1.5: what `If-Range` takes); empty if the server gives neither.
        total: Bytes of the whole file, None if unknown.
    """

    url: str
    validator: str
    total: int | None

    @classmethod
    def of(cls, url: str, headers: Mapping[str, str], total: int | None) -> State:
        """Read the state off a response's headers."""
        etag = headers.get("ETag", "")
        strong = etag if etag.startswith('"') else ""  # W/"..." does not vouch for bytes
        return cls(url=url, validator=strong or headers.get("Last-Modified", ""), total=total)


class Partial:
    """The files of one download in progress.

    Attributes:
        target: What it becomes.
        path: What has come of it.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(target.name + ".part")
        self._state = target.with_name(target.name + ".part.json")

    def size(self) -> int:
        """Return the bytes that are here."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def resumable(self, url: str) -> State | None:
        """Return what is here if the download can go on from it, else None."""
        if not self.size() or not self._state.is_file():
            return None
        try:
            state = State(**json.loads(self._state.read_text()))
        except (ValueError, TypeError):  # written by a process that was killed
            return None
        known = state.url == url and state.validator and state.total is not None
        return state if known and self.size() <= (state.total or 0) else None

    def begin(self, offset: int, state: State) -> None:
        """Keep the first `offset` bytes, and note what is to follow them."""
        with self.path.open("ab") as file:
            file.truncate(offset)
        self._state.write_text(json.dumps(asdict(state)))

    def discard(self) -> None:
        """Throw away what came."""
        self.path.unlink(missing_ok=True)
        self._state.unlink(missing_ok=True)

    def publish(self) -> None:
        """Give the complete download its name."""
        self.path.replace(self.target)
        self._state.unlink(missing_ok=True)
