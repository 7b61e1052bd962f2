"""Find the photographs a user names: files, and folders with everything in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from face_occlusion.folders import SUFFIXES


@dataclass(frozen=True, kw_only=True)
class Photo:
    """A photograph, and the name its predictions get.

    Attributes:
        path: The file.
        name: Its path without suffix below the folder that was named, or its bare name.
    """

    path: Path
    name: PurePosixPath


def find_photos(sources: Sequence[Path]) -> list[Photo]:
    """List photographs in the order named; those of a folder sorted, subfolders included.

    Raises:
        ValueError: If there is none, a file is not there or no image, or two photographs would
            get the same name.
    """
    photos: dict[PurePosixPath, Photo] = {}
    for source in sources:
        for photo in _photos_of(source):
            other = photos.setdefault(photo.name, photo)
            if other.path != photo.path:
                raise ValueError(
                    f"{photo.path} and {other.path} would both be written as '{photo.name}'; "
                    "rename one, or predict them apart"
                )
    if not photos:
        raise ValueError(f"no image in {', '.join(map(str, sources))}; {_looked_for()}")
    return list(photos.values())


def _photos_of(source: Path) -> list[Photo]:
    if source.is_dir():
        paths = (path for path in source.rglob("*") if path.suffix.lower() in SUFFIXES)
        return [
            Photo(path=path, name=PurePosixPath(path.relative_to(source).with_suffix("")))
            for path in sorted(paths)
            if path.is_file() and not path.name.startswith(".")
        ]
    if not source.is_file():
        raise ValueError(f"{source}: no such file or folder")
    if source.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{source}: not an image; {_looked_for()}")
    return [Photo(path=source, name=PurePosixPath(source.stem))]


def _looked_for() -> str:
    return f"looked for {', '.join(SUFFIXES)}"
