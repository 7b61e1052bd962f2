"""The journal of an unfinished prediction, from which the same command resumes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from face_occlusion.apps.prediction.photos import Photo, Predicted
from face_occlusion.core.files import atomic_write

NAME = "unfinished.jsonl"


class Journal:
    """A file of JSON lines in the folder of predictions, removed when all photographs are done.

    Its first line holds the settings that predictions depend on; a line is added for each
    photograph that is done, after its files are written. A photograph that was changed since, or
    could not be read, is not done.
    """

    def __init__(self, out: Path, settings: Mapping[str, object]) -> None:
        self.out = out
        self._path = out / NAME
        self._settings = dict(settings)

    def begin(self, photos: Sequence[Photo]) -> dict[Photo, Predicted]:
        """Start the file, or resume; return the results of photographs that are already done.

        Raises:
            ValueError: If the folder holds anything else, or was begun with other settings.
        """
        if self.out.exists() and not self.out.is_dir():
            raise ValueError(f"{self.out}: a file; name a new folder with --out")
        records = self._records()
        if not records and self.out.is_dir() and any(self.out.iterdir()):
            raise ValueError(f"{self.out}: not empty; name a new folder with --out")
        if records and records[0] != self._settings:
            raise ValueError(
                f"{self.out}: begun with {_listed(records[0])}, and now it is "
                f"{_listed(self._settings)}; name a new folder with --out"
            )
        kept = {_version(record): record for record in records[1:]}
        lines = (json.dumps(record) for record in (self._settings, *kept.values()))
        atomic_write(self._path, "".join(f"{line}\n" for line in lines))  # without a torn last line
        done = {photo: kept.get(_version(_identify(photo))) for photo in photos}
        return {photo: _restored(photo, record) for photo, record in done.items() if record}

    def add(self, result: Predicted) -> None:
        """Note that a photograph is done."""
        if result.error is not None:
            return
        record = {
            **_identify(result.photo),
            "size": result.size,
            "face_frac": result.face_frac,
            "seen": result.seen,
        }
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(record)}\n")

    def end(self) -> None:
        """Remove the file: all photographs are done."""
        self._path.unlink()

    def _records(self) -> list[dict[str, Any]]:
        """Read all complete lines."""
        if not self._path.is_file():
            return []
        lines = self._path.read_text(encoding="utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]


def _identify(photo: Photo) -> dict[str, str | int]:
    """Return what identifies a photograph and its present content, as JSON values."""
    status = photo.path.stat() if photo.path.is_file() else None
    return {
        "photo": str(photo.path.absolute()),
        "name": str(photo.name),
        "modified_ns": status.st_mtime_ns if status else 0,
        "bytes": status.st_size if status else 0,
    }


def _version(record: Mapping[str, Any]) -> tuple[str | int, ...]:
    return record["photo"], record["name"], record["modified_ns"], record["bytes"]


def _restored(photo: Photo, record: Mapping[str, Any]) -> Predicted:
    height, width = record["size"]
    return Predicted(
        photo=photo, size=(height, width), face_frac=record["face_frac"], seen=record["seen"]
    )


def _listed(settings: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items())
