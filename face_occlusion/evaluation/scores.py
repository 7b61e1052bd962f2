"""The score file `reports/scores/RUN.json`: counts per image first, scores after.

One file holds one run on all benchmarks, one image per line; `docs/scores.md` describes it field
by field. A view is a checkpoint: `last`, `best`, or either with `_tta` behind it (averaged over
flips and scales). The scores can be computed again from the counts, and are when it is read.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from face_occlusion.core.files import atomic_write, file_sha256, read_json
from face_occlusion.core.imageset import INDEX
from face_occlusion.evaluation.measures import ViewCounts, summarise
from face_occlusion.evaluation.metrics import NUM_BINS

FORMAT = "face-occlusion scores"
VERSION = 2
HEAD = ("profile", "run", "model", "combination", "seed", "headline", "inference")
# Counts of a view in a line of the file, by name: shape of one image's.
COLUMNS = {
    "counts": (4,),
    "boundary": (2,),
    "occluded": (4,),
    "border": (4,),
    "calibration": (3 * NUM_BINS,),
}


@dataclass(frozen=True, kw_only=True)
class ImageFacts:
    """What is measured of an image itself, the same for every network."""

    key: str
    occluder_kind: str | None
    size: tuple[int, int]  # (height, width)
    face_px: int
    occluded_px: int  # of `regions.occluded_region`, an estimate
    ita_deg: float | None  # of `counting.ita_deg`

    @property
    def covered_frac(self) -> float | None:
        """Share of the face that is occluded, estimated; None without a face."""
        whole = self.face_px + self.occluded_px
        return self.occluded_px / whole if self.face_px else None


@dataclass(frozen=True, kw_only=True)
class BenchmarkScores:
    """One run on one benchmark; `absent` gives the reason if the benchmark has no images."""

    fingerprint: str  # the image set's `sha256`
    absent: str | None = None
    images: list[ImageFacts] = field(default_factory=list)
    views: dict[str, ViewCounts] = field(default_factory=dict)
    previews: list[str | None] = field(default_factory=list)  # base64 PNG of the headline's mask

    @cached_property
    def keys(self) -> list[str]:
        """Keys of the images, in the benchmark's order."""
        return [image.key for image in self.images]


@dataclass(frozen=True, kw_only=True)
class RunScores:
    """The content of a score file."""

    profile: str
    run: str
    model: str
    combination: str
    seed: int
    headline: str
    inference: dict[str, Any]  # how images were predicted: `Segmenter.describe`, `cpu_threads`
    benchmarks: dict[str, BenchmarkScores]


def write_scores(path: Path, scores: RunScores) -> None:
    """Write a score file atomically; the same scores give the same bytes."""
    head = {"format": FORMAT, "version": VERSION, **{key: getattr(scores, key) for key in HEAD}}
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    benchmarks = ",\n".join(
        f"  {json.dumps(name)}: {_benchmark_text(part)}" for name, part in scores.benchmarks.items()
    )
    text = "{\n" + ",\n".join([*lines, ' "benchmarks": {\n' + benchmarks + "\n }"]) + "\n}\n"
    atomic_write(path, text)


def read_scores(
    path: Path, *, profile: str | None = None, benchmarks_folder: Path | None = None
) -> RunScores:
    """Read a score file.

    It is refused with a ValueError if it is missing, truncated, of another format, version or (if
    given) profile, disagrees with itself, or a benchmark in `benchmarks_folder`, if given, is no
    longer the one that was scored.
    """
    raw = _read_json(path)
    if profile is not None and raw["profile"] != profile:
        raise ValueError(
            f"{path}: scores of profile '{raw['profile']}', expected '{profile}'; "
            "run `dvc repro` to score this profile's models"
        )
    benchmarks = {}
    for name, part in raw["benchmarks"].items():
        try:
            benchmarks[name] = _parse_benchmark(part, raw["headline"])
        except KeyError as error:
            raise ValueError(f"{path}: benchmark '{name}': missing key {error}") from error
        except (AttributeError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: benchmark '{name}': {error}") from error
        scored = benchmarks[name].fingerprint
        if benchmarks_folder and (now := file_sha256(benchmarks_folder / name / INDEX)) != scored:
            raise ValueError(
                f"{path}: benchmark '{name}' changed since it was scored: its index.json has "
                f"sha256 {now[:12]}, scored was {scored[:12]}; score the run again"
            )
    return RunScores(**{key: raw[key] for key in HEAD}, benchmarks=benchmarks)


def _read_json(path: Path) -> dict[str, Any]:
    raw = read_json(path, "no such score file; run `dvc repro evaluate`")
    if raw.get("format") != FORMAT:
        raise ValueError(f"{path}: not a score file: 'format' must be '{FORMAT}'")
    if raw.get("version") != VERSION:
        raise ValueError(
            f"{path}: format version {raw.get('version')}, this code reads {VERSION}; "
            "run `dvc repro` to score the run again"
        )
    if missing := [key for key in (*HEAD, "benchmarks") if key not in raw]:
        raise ValueError(f"{path}: truncated: missing {missing}")
    if not isinstance(raw["benchmarks"], dict):
        raise ValueError(f"{path}: 'benchmarks' must be an object; got {raw['benchmarks']!r:.40}")
    return raw


def _benchmark_text(part: BenchmarkScores) -> str:
    """Encode one benchmark with one image per line."""
    summaries = {
        view: {
            key: None if math.isnan(value) else value for key, value in summarise(counts).items()
        }
        for view, counts in part.views.items()
    }
    head = {"fingerprint": part.fingerprint, "absent": part.absent}
    head |= {"scores": None if part.absent else summaries}
    lines = [f"   {json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    rows = [f"    {_image_text(part, index)}" for index in range(len(part.images))]
    images = "null" if part.absent else "[\n" + ",\n".join(rows) + "\n   ]"
    return "{\n" + ",\n".join([*lines, f'   "images": {images}']) + "\n  }"


def _image_text(part: BenchmarkScores, index: int) -> str:
    row: dict[str, Any] = asdict(part.images[index])
    for view, counts in part.views.items():
        row[view] = {name: getattr(counts, name)[index].tolist() for name in COLUMNS}
        row[view]["calibration"] = [  # flat: a third of the time to read
            number
            for pixels, probability, faces in row[view]["calibration"]
            for number in (int(pixels), probability, int(faces))
        ]
    if part.previews and part.previews[index] is not None:
        row["preview"] = part.previews[index]
    return json.dumps(row, separators=(",", ":"))


def _parse_benchmark(raw: Mapping[str, Any], headline: str) -> BenchmarkScores:
    if raw["absent"] is not None:
        return BenchmarkScores(fingerprint=raw["fingerprint"], absent=raw["absent"])
    if headline not in raw["scores"]:
        raise ValueError(f"no view '{headline}', the headline; got {list(raw['scores'])}")
    rows = raw["images"]
    views = {}
    for view, stored in raw["scores"].items():
        columns = {name: _column(name, [row[view][name] for row in rows]) for name in COLUMNS}
        views[view] = ViewCounts(**columns)
        again = summarise(views[view])
        if set(stored) != set(again):
            raise ValueError(f"scores.{view} must be {sorted(again)}; got {sorted(stored)}")
        for key, value in again.items():  # a file was truncated or edited where these differ
            number = math.nan if stored[key] is None else stored[key]
            if not np.isclose(number, value, rtol=1e-9, atol=1e-9, equal_nan=True):
                said = f"scores.{view}.{key} is {stored[key]}"
                raise ValueError(f"{said}, but its counts give {value}")
    return BenchmarkScores(
        fingerprint=raw["fingerprint"],
        images=msgspec.convert(rows, list[ImageFacts]),
        views=views,
        previews=[row.get("preview") for row in rows],
    )


def _column(name: str, rows: list[Any]) -> np.ndarray:
    """Return one field of `ViewCounts`, one row per image."""
    table = np.asarray(rows, dtype=float if name == "calibration" else np.int64)
    if table.shape[1:] != COLUMNS[name]:
        raise ValueError(f"images: {name} must be of shape {COLUMNS[name]}; got {table.shape[1:]}")
    return table.reshape(-1, NUM_BINS, 3) if name == "calibration" else table
