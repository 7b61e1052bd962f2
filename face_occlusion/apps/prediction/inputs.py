"""What a prediction starts from: a run, photographs, and what an interrupted one has done."""

import json
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from face_occlusion.apps.folders import NOT_READ, SUFFIXES
from face_occlusion.core.files import atomic_write, file_sha256, read_json
from face_occlusion.core.imageset import INDEX, ImageSet, inherit
from face_occlusion.evaluation.inference import NO_RUN
from face_occlusion.evaluation.measures import summarise
from face_occlusion.evaluation.scores import read_scores

MODELS = Path("models")  # where the pipeline puts its runs
SCORES = Path("reports/scores")  # and their scores
JOURNAL = "unfinished.jsonl"
PHOTO = ("photo", "name", "modified_ns", "bytes")  # what identifies it in the journal
KEPT = ("size", "face_frac", "unsure_frac", "agreement", "seen")  # of a result, in the journal
_BRANDS = {b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIF", b"msf1": "HEIF", b"avif": "AVIF"}
_IMAGES = (*SUFFIXES, *NOT_READ)
_LOOKED_FOR = f"looked for {', '.join(SUFFIXES)}"


def run_folder(run: Path) -> Path:
    """Return a run's folder from its path, or from its name in `models/`.

    Raises:
        ValueError: If there is no such run; lists the runs in `models/`.
    """
    for folder in (run, MODELS / run):
        if (folder / "config.json").is_file():
            return folder
    runs = sorted(path.parent.name for path in MODELS.glob("*/config.json"))
    known = f"in {MODELS}: {', '.join(runs)}"
    if not runs:
        known = f"{MODELS} holds none: `dvc repro` or `dvc pull`"
    raise ValueError(f"{run}: not a run, which is a folder with config.json; {known}")


def identify(folder: Path, which: str) -> str:
    """Return a run's name with its checkpoint, `last` or `best`, and the start of its sha256.

    Raises:
        ValueError: If the run has no such checkpoint.
    """
    path = folder / f"{which}.safetensors"
    if not path.is_file():
        raise ValueError(f"{path}: no such file; {folder / 'card.json'} may say why")
    return f"{folder.resolve().name} {which} {file_sha256(path)[:12]}"


def releases_of(folder: Path) -> list[Mapping[str, Any]]:
    """Return the releases in the sets that a run was trained on, as far as these are here.

    The pipeline has them in `data`, next to the folder that holds the run's.

    Raises:
        ValueError: If the run's card, or a set that it was trained on, is missing or damaged.
    """
    card = read_json(folder / "card.json", NO_RUN)
    data = folder.resolve().parents[1] / "data"
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


def mean_ious(run: str, which: str) -> dict[str, float]:
    """Return a run's pooled mean IoU by benchmark; empty if the run has not been evaluated.

    Raises:
        ValueError: If the score file is damaged.
    """
    path = SCORES / f"{run}.json"
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
    # (height, width) after EXIF rotation; None if it could not be read.
    size: tuple[int, int] | None = None
    face_frac: float = 0.0  # share of the pixels that are face
    unsure_frac: float = 0.0  # share of the pixels of which the network is unsure
    agreement: float | None = None  # share of the pixels on which a second network agrees
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
            wanted = path.suffix.lower() in _IMAGES and not path.name.startswith(".")
            if wanted and not path.is_dir() and (out is None or out not in path.absolute().parents):
                yield _photo(path, path.relative_to(source)), source.resolve().name
        return
    if not source.is_file():
        raise ValueError(f"{source}: no such file or folder")
    if source.suffix.lower() not in _IMAGES:
        raise ValueError(f"{source}: not an image; {_LOOKED_FOR}")
    yield _photo(source, Path(source.name)), source.resolve().parent.name


def _photo(path: Path, below: Path) -> Photo:
    """Name a photograph; one that cannot be read keeps its suffix and so gets its own name.

    Bytes that are not UTF-8 become `%ff`; a link that leads nowhere is a file that is not read.
    """
    kept = below if path.suffix.lower() in NOT_READ else below.with_suffix("")
    name = os.fsencode(kept).decode(errors="backslashreplace").replace("\\x", "%")
    return Photo(path=path, name=PurePosixPath(name))


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

        Raises:
            ValueError: If the folder holds anything else, or was begun with other settings.
        """
        if self.out.exists() and not self.out.is_dir():
            raise ValueError(f"{self.out}: a file; name a new folder with --out")
        text = self._path.read_text(encoding="utf-8") if self._path.is_file() else ""
        lines = [line for line in text.splitlines(keepends=True) if line.endswith("\n")]
        records = [json.loads(line) for line in lines]
        if not records and self.out.is_dir() and any(self.out.iterdir()):
            raise ValueError(f"{self.out}: not empty; name a new folder with --out")
        if records and records[0] != self._settings:
            raise ValueError(
                f"{self.out}: was begun with {_listed(records[0])}, but this call has "
                f"{_listed(self._settings)}; name a new folder with --out"
            )
        kept = {tuple(record[name] for name in PHOTO): record for record in records[1:]}
        lines = [f"{json.dumps(record)}\n" for record in (self._settings, *kept.values())]
        atomic_write(self._path, "".join(lines))  # without a torn last line
        done: dict[Photo, Predicted] = {}
        for photo in photos:
            if record := kept.get(tuple(_identify(photo).values())):
                about: dict[str, Any] = {name: record[name] for name in KEPT}
                about["size"] = tuple(record["size"])
                done[photo] = Predicted(photo=photo, **about)
        return done

    def add(self, result: Predicted) -> None:
        """Note that a photograph is done."""
        if result.error is None:
            about = {name: getattr(result, name) for name in KEPT}
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{json.dumps(_identify(result.photo) | about)}\n")

    def end(self) -> None:
        """Remove the file: all photographs are done."""
        self._path.unlink()


def _identify(photo: Photo) -> dict[str, Any]:
    """Return what identifies a photograph and its present content, as JSON values."""
    status = photo.path.stat() if photo.path.is_file() else None
    content = (status.st_mtime_ns, status.st_size) if status else (0, 0)
    values = str(photo.path.absolute()), str(photo.name), *content
    return dict(zip(PHOTO, values, strict=True))


def _listed(settings: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items())
