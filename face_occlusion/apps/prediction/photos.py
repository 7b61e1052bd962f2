"""Find the photographs that a user names: files, and folders with all their subfolders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from face_occlusion.apps.folders import NOT_READ, SUFFIXES

_BRANDS = {b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIF", b"msf1": "HEIF", b"avif": "AVIF"}

_LOOKED_FOR = f"looked for {', '.join(SUFFIXES)}"


@dataclass(frozen=True, kw_only=True)
class Photo:
    """A photograph, and the name its predictions get."""

    path: Path
    name: PurePosixPath  # its path without suffix below the folder that was named, or its bare name


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """The result for one photograph."""

    photo: Photo
    # (height, width) after EXIF rotation; None if it could not be read.
    size: tuple[int, int] | None = None
    face_frac: float = 0.0  # share of the pixels that are face
    seen: str = ""  # how the network saw it: whole, or its aligned faces
    error: str | None = None  # why there is no prediction, or None


def find_photos(sources: Sequence[Path], out: Path | None = None) -> list[Photo]:
    """List photographs in the order named; those of a folder sorted, subfolders included.

    Where two would get the same name, their suffixes are kept in it (`IMG_1.png`), or it is
    preceded by the folder that was named (`monday/IMG_1`). Photographs of a format that cannot be
    read (`NOT_READ`) are listed too, so that they are reported. Files below `out` are left out.

    Raises:
        ValueError: If no file can be read, a file is missing or not an image, or two photographs
            would get the same name.
    """
    found = dict.fromkeys(found for source in sources for found in _photos_of(source, out))
    if not any(photo.path.suffix.lower() in SUFFIXES for photo, _ in found):
        raise ValueError(f"no image in {', '.join(map(str, sources))}; {_LOOKED_FOR}")
    return _unique_names(list(found))


def reason_not_read(path: Path, data: bytes) -> str | None:
    """Return why a file cannot be decoded, by its first bytes and its name; None if it can."""
    suffix = path.suffix.lower()
    kind = _BRANDS.get(data[8:12]) if data[4:8] == b"ftyp" else None
    if kind is None and suffix in NOT_READ:
        kind = suffix[1:].upper()
    return f"{path}: {kind} is not read; save it as JPEG or PNG" if kind else None


def _photos_of(source: Path, out: Path | None) -> Iterator[tuple[Photo, str]]:
    """Yield the photographs of a file or folder, with the name of the folder."""
    if source.is_dir():
        out = out and out.absolute()
        for path in sorted(source.rglob("*")):
            wanted = path.suffix.lower() in (*SUFFIXES, *NOT_READ) and not path.name.startswith(".")
            if wanted and path.is_file() and (out is None or out not in path.absolute().parents):
                yield _photo(path, path.relative_to(source)), source.resolve().name
        return
    if not source.is_file():
        raise ValueError(f"{source}: no such file or folder")
    if source.suffix.lower() not in (*SUFFIXES, *NOT_READ):
        raise ValueError(f"{source}: not an image; {_LOOKED_FOR}")
    yield _photo(source, Path(source.name)), source.resolve().parent.name


def _photo(path: Path, below: Path) -> Photo:
    """Name a photograph; one that cannot be read keeps its suffix and so gets its own name."""
    kept = below if path.suffix.lower() in NOT_READ else below.with_suffix("")
    return Photo(path=path, name=PurePosixPath(kept))


def _unique_names(found: Sequence[tuple[Photo, str]]) -> list[Photo]:
    """Give every photograph a unique name."""
    by_name = defaultdict(list)
    for photo, folder in found:
        by_name[photo.name].append((photo, folder))
    names: dict[PurePosixPath, Photo] = {}
    for photo, folder in found:
        name = _longer_name(photo, folder, by_name[photo.name])
        other = names.setdefault(name, photo)
        if other != photo:
            raise ValueError(
                f"{photo.path} and {other.path} would both be written as '{name}'; "
                "rename one, or predict them separately"
            )
    return [replace(photo, name=name) for name, photo in names.items()]


def _longer_name(
    photo: Photo, folder: str, namesakes: Sequence[tuple[Photo, str]]
) -> PurePosixPath:
    """Return the name with what distinguishes it from namesakes: suffix, folder, or nothing."""
    if len(namesakes) == 1:
        return photo.name
    if len({other.path.suffix for other, _ in namesakes}) == len(namesakes):
        return PurePosixPath(f"{photo.name}{photo.path.suffix}")
    return PurePosixPath(folder) / photo.name
