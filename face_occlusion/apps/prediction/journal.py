"""What an unfinished prediction has done, so that the same command goes on from there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from face_occlusion.apps.prediction.photos import Photo, Predicted
from face_occlusion.core.writing import write_aside

NAME = "unfinished.jsonl"


class Journal:
    """A file of JSON lines in the folder of predictions, there until all of them are.

    Its first line says how photographs are predicted; a line is added for each that is done,
    after its files are written. One that changed since, or that could not be read, is not done.

    Args:
        out: The folder of predictions.
        settings: What predictions depend on beside the photographs; JSON values.
    """

    def __init__(self, out: Path, settings: Mapping[str, object]) -> None:
        self.out = out
        self._path = out / NAME
        self._settings = dict(settings)

    def begin(self, photos: Sequence[Photo]) -> dict[Photo, Predicted]:
        """Start the file, or take up an interrupted one.

        Returns:
            What is done of `photos` already.

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
        kept = {_told(record): record for record in records[1:]}
        done = {photo: kept[_stamp(photo)] for photo in photos if _stamp(photo) in kept}
        lines = (json.dumps(record) for record in (self._settings, *kept.values()))
        write_aside(self._path, "".join(f"{line}\n" for line in lines))  # a torn line goes
        return {photo: _restored(photo, record) for photo, record in done.items()}

    def add(self, result: Predicted) -> None:
        """Note that a photograph is done."""
        if result.error is not None:
            return
        stamp = dict(
            zip(("photo", "name", "modified_ns", "bytes"), _stamp(result.photo), strict=True)
        )
        record = {**stamp, "size": result.size, "face_frac": result.face_frac, "seen": result.seen}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(record)}\n")

    def end(self) -> None:
        """Remove the file: all is done."""
        self._path.unlink()

    def _records(self) -> list[dict[str, Any]]:
        """Read the lines that were written whole."""
        if not self._path.is_file():
            return []
        lines = self._path.read_text(encoding="utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]


def _stamp(photo: Photo) -> tuple[str, str, int, int]:
    """Tell a photograph from others, and from itself before it was changed."""
    if not photo.path.is_file():
        return str(photo.path.absolute()), str(photo.name), 0, 0
    status = photo.path.stat()
    return str(photo.path.absolute()), str(photo.name), status.st_mtime_ns, status.st_size


def _told(record: Mapping[str, Any]) -> tuple[str, str, int, int]:
    return record["photo"], record["name"], record["modified_ns"], record["bytes"]


def _restored(photo: Photo, record: Mapping[str, Any]) -> Predicted:
    height, width = record["size"]
    return Predicted(
        photo=photo, size=(height, width), face_frac=record["face_frac"], seen=record["seen"]
    )


def _listed(settings: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items())
