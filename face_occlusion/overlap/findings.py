"""The result of comparing image sets, and its file."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import msgspec

from face_occlusion.core.files import atomic_write


@dataclass(frozen=True, kw_only=True)
class ImagePair:
    """Two images and in how many of 256 bits their closest views differ."""

    first: str
    second: str
    bits: int


@dataclass(frozen=True, kw_only=True)
class SetComparison:
    """Two image sets, compared."""

    first: str  # one set: a training set, or a benchmark
    second: str  # the other one, a benchmark
    sizes: tuple[int, int]  # images of both
    same_release: bool  # whether both come from one release, so that shared images can be meant
    suspected: list[ImagePair]  # all pairs within the limit, closest first
    closest: list[ImagePair]  # the closest pairs, each of another image of the second set
    identities: str  # whether people are in both sets, in words
    shared_identities: int | None  # how many; None where that is unknown

    @property
    def num_suspected(self) -> tuple[int, int]:
        """Count the images of both sets that are in a suspected pair."""
        pairs = self.suspected
        return len({pair.first for pair in pairs}), len({pair.second for pair in pairs})


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """All comparisons and the limit they were made with."""

    max_bits: int
    comparisons: list[SetComparison]


def write_overlap(path: Path, overlap: Overlap) -> None:
    """Write the comparisons as JSON, atomically; the same sets give the same bytes."""
    atomic_write(path, json.dumps(dataclasses.asdict(overlap), indent=1) + "\n")


def read_overlap(path: Path) -> Overlap:
    """Read what `write_overlap` wrote; a file that is missing or another is a ValueError."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file; run `dvc repro overlap`")
    try:
        return msgspec.json.decode(path.read_bytes(), type=Overlap)
    except msgspec.DecodeError as error:
        raise ValueError(f"{path}: not written by `stages.overlap`: {error}") from error
