"""What a prediction starts from: a run, photographs, and what an interrupted one has done."""

import json
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from face_occlusion.apps.folders import NOT_READ, SUFFIXES
from face_occlusion.core.files import atomic_write, errors_name, file_sha256, read_json
from face_occlusion.core.images import MAX_PIXELS, decode_image
from face_occlusion.core.imageset import INDEX, ImageSet, inherit
from face_occlusion.evaluation.inference import NO_RUN
from face_occlusion.evaluation.measures import summarise
from face_occlusion.evaluation.scores import read_scores

MODELS = Path("models")  # where the pipeline puts its runs
SCORES = Path("reports/scores")  # and their scores, next to that folder
JOURNAL = "unfinished.jsonl"
_BRANDS = {b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIF", b"msf1": "HEIF", b"avif": "AVIF"}
_IMAGES = (*SUFFIXES, *NOT_READ)
_LOOKED_FOR = f"looked for {', '.join(SUFFIXES)}"


def run_folder(run: Path) -> Path:
    """Return a run's folder from its path or its name in `models/`; a ValueError lists those."""
    for folder in (run, MODELS / run):
        if (folder / "config.json").is_file():
            return folder
    runs = sorted(path.parent.name for path in MODELS.glob("*/config.json"))
    known = f"in {MODELS}: {', '.join(runs)}"
    if not runs:
        known = f"{MODELS} holds none: `dvc repro` or `dvc pull`"
    raise ValueError(f"{run}: not a run, which is a folder with config.json; {known}")


def identify(folder: Path, which: str) -> str:
    """Return a run's name with its checkpoint, `last` or `best`, and the start of its sha256."""
    return f"{folder.resolve().name} {which} {file_sha256(folder / f'{which}.safetensors')[:12]}"


def releases_of(folder: Path) -> list[Mapping[str, Any]]:
    """Return the releases in the sets that a run was trained on, as far as these are here.

    The pipeline has them in `data`, next to the folder that holds the run's. A card that is
    missing, and a damaged set, are a ValueError.
    """
    card = read_json(folder / "card.json", NO_RUN)
    data = folder.resolve().parent.parent / "data"
    names = card.get("combination", {}).get("data", [])
    sets = {name: ImageSet(data / name) for name in names if (data / name / INDEX).is_file()}
    return list(inherit(**sets)["releases"].values()) if sets else []


def only_drawings(releases: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether everything that a run was trained on was drawn by the miniature."""
    return bool(releases) and all(item.get("origin") == "miniature" for item in releases)


def drawings_note(folders: Sequence[Path]) -> str:
    """Return a sentence that names the runs trained on drawings alone; empty if none was."""
    drawn = [path.resolve().name for path in folders if only_drawings(releases_of(path))]
    if not drawn:
        return ""
    return (
        f"{' and '.join(drawn)} {'have' if len(drawn) > 1 else 'has'} only seen drawn faces "
        "(profile miniature): masks of photographs show that the program works, no more."
    )


def mean_ious(folder: Path, which: str) -> dict[str, float]:
    """Return the pooled mean IoU by benchmark of a run's folder; empty if it was not evaluated.

    A damaged score file is a ValueError.
    """
    folder = folder.resolve()
    path = folder.parent.parent / SCORES / f"{folder.name}.json"
    scored = read_scores(path).benchmarks if path.is_file() else {}
    return {
        name: summarise(part.views[which])["miou"]
        for name, part in scored.items()
        if which in part.views
    }


@dataclass(frozen=True, kw_only=True)
class Photo:
    """A photograph, and the name its predictions get."""

    path: Path
    name: PurePosixPath  # its path without suffix below the folder that was named, or its bare name


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """The result for one photograph."""

    photo: Photo
    size: tuple[int, int] | None = None  # (height, width) as EXIF turns it; None if not read
    face_frac: float = 0.0  # share of the pixels that are face
    unsure_frac: float = 0.0  # share of the pixels of which the network is unsure
    agreement: float | None = None  # share of the pixels on which a second network agrees
    seen: str = ""  # how the network saw it: whole, or its aligned faces
    error: str | None = None  # why there is no prediction, or None


def find_photos(sources: Sequence[Path], out: Path | None = None) -> list[Photo]:
    """List photographs in the order named; those of a folder sorted, subfolders included.

    Where two would get the same name, their suffixes are kept in it (`IMG_1.png`), or it is
    preceded by the folder that was named (`monday/IMG_1`). Photographs of a format that cannot be
    read (`NOT_READ`) are listed too, so that they are reported. Files below `out` are left out. It
    is a ValueError if no file can be read, one is missing or no image, or two get the same name.
    """
    found = dict.fromkeys(found for source in sources for found in _photos_of(source, out))
    if not any(photo.path.suffix.lower() in SUFFIXES for photo, _ in found):
        raise ValueError(f"no image in {', '.join(map(str, sources))}; {_LOOKED_FOR}")
    return _unique_names(list(found))


def decode_photo(data: bytes, path: Path, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decode a photograph, see `decode_image`; of a format that is not read it is a ValueError."""
    suffix = path.suffix.lower()
    kind = _BRANDS.get(data[8:12]) if data[4:8] == b"ftyp" else None
    if kind is None and suffix in NOT_READ:
        kind = suffix[1:].upper()
    if kind:
        raise ValueError(f"{path}: {kind} is not read; save it as JPEG or PNG")
    return decode_image(data, str(path), max_pixels)


def _photos_of(source: Path, out: Path | None) -> Iterator[tuple[Photo, str]]:
    """Yield the photographs of a file or folder, with the name of the folder.

    One that cannot be read keeps its suffix and so gets its own name. Bytes of a name that are not
    UTF-8 become `%ff`; a link that leads nowhere is a file that is not read.
    """
    if source.is_dir():
        folder, listed = source, sorted(source.rglob("*"))
    elif not source.is_file():
        raise ValueError(f"{source}: no such file or folder")
    elif source.suffix.lower() not in _IMAGES:
        raise ValueError(f"{source}: not an image; {_LOOKED_FOR}")
    else:
        folder, listed, out = source.parent, [source], None
    for path in listed:
        hidden = path.name.startswith(".") and path != source
        written = out is not None and out.absolute() in path.absolute().parents
        if path.suffix.lower() in _IMAGES and not (hidden or written or path.is_dir()):
            below = path.relative_to(folder)
            kept = below if path.suffix.lower() in NOT_READ else below.with_suffix("")
            name = os.fsencode(kept).decode(errors="backslashreplace").replace("\\x", "%")
            yield Photo(path=path, name=PurePosixPath(name)), folder.resolve().name


def _unique_names(found: Sequence[tuple[Photo, str]]) -> list[Photo]:
    """Add to a name what distinguishes it from namesakes: the suffix, or else the folder."""
    suffixes = defaultdict(list)
    for photo, _ in found:
        suffixes[photo.name].append(photo.path.suffix)
    names: dict[PurePosixPath, Photo] = {}
    for photo, folder in found:
        name, same = photo.name, suffixes[photo.name]
        if len(same) > 1:
            distinct = len(set(same)) == len(same)
            name = PurePosixPath(f"{name}{photo.path.suffix}" if distinct else f"{folder}/{name}")
        other = names.setdefault(name, photo)
        if other != photo:
            raise ValueError(
                f"{photo.path} and {other.path} would both be written as '{name}'; "
                "rename one, or predict them separately"
            )
    return [replace(photo, name=name) for name, photo in names.items()]


class Journal:
    """A file of JSON lines in the folder of predictions, removed when all photographs are done.

    Its first line holds the settings that predictions depend on; a line is added for each
    photograph that is done, after its files are written. A photograph that was changed since, or
    could not be read, is not done.
    """

    def __init__(self, out: Path, settings: Mapping[str, object]) -> None:
        self.out = out
        self._path = out / JOURNAL
        self._settings = dict(settings)

    def begin(self, photos: Sequence[Photo]) -> dict[Photo, Predicted]:
        """Start the file, or resume; return the results of photographs that are already done.

        A folder that holds anything else, or was begun with other settings, is a ValueError.
        """
        if self.out.exists() and not self.out.is_dir():
            raise ValueError(f"{self.out}: a file; name a new folder with --out")
        text = self._path.read_text(encoding="utf-8") if self._path.is_file() else ""
        lines = [line for line in text.splitlines(keepends=True) if line.endswith("\n")]
        with errors_name(f"{self._path}: damaged, name a new folder with --out"):
            records = [json.loads(line) for line in lines]
        if not records and self.out.is_dir() and any(self.out.iterdir()):
            raise ValueError(f"{self.out}: not empty; name a new folder with --out")
        if records and records[0] != self._settings:
            begun, asked = (
                ", ".join(f"{name} {value}" for name, value in one.items())
                for one in (records[0], self._settings)
            )
            raise ValueError(
                f"{self.out}: was begun with {begun}, but this call has {asked}; "
                "name a new folder with --out"
            )
        kept = {tuple(record["photo"]): record for record in records[1:]}
        lines = [f"{json.dumps(record)}\n" for record in (self._settings, *kept.values())]
        atomic_write(self._path, "".join(lines))  # without a torn last line
        done: dict[Photo, Predicted] = {}
        for photo in photos:
            if record := kept.get(_identify(photo)):
                size = tuple(record["size"])
                done[photo] = Predicted(**record | {"photo": photo, "size": size})
        return done

    def add(self, result: Predicted) -> None:
        """Note that a photograph is done."""
        if result.error is None:
            record = vars(result) | {"photo": _identify(result.photo)}
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{json.dumps(record)}\n")

    def end(self) -> None:
        """Remove the file: all photographs are done."""
        self._path.unlink()


def _identify(photo: Photo) -> tuple[str | int, ...]:
    """Return a photograph's path and name, and of its content the time in ns and the bytes."""
    status = photo.path.stat() if photo.path.is_file() else None
    content = (status.st_mtime_ns, status.st_size) if status else ()
    return str(photo.path.absolute()), str(photo.name), *content
