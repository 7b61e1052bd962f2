"""The result of comparing image sets, and its file."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from face_occlusion.core.files import atomic_write


@dataclass(frozen=True, kw_only=True)
class ImagePair:
    """Two images and in how many of 256 bits their closest views differ."""

    first: str
    second: str
    bits: int


@dataclass(frozen=True, kw_only=True)
class SetComparison:
    """Two image sets, compared.

    Attributes:
        first: One set: a training set, or a benchmark.
        second: The other one, a benchmark.
        sizes: Images of both.
        same_release: Whether both come from one release, so that shared images can be meant.
        suspected: All pairs within the limit, closest first.
        closest: The closest pairs, each of another image of the second set.
        identities: Whether people are in both sets, in words.
        shared_identities: How many; None where that is unknown.
    """

    first: str
    second: str
    sizes: tuple[int, int]
    same_release: bool
    suspected: list[ImagePair]
    closest: list[ImagePair]
    identities: str
    shared_identities: int | None

    @property
    def num_suspected(self) -> tuple[int, int]:
        """Count the images of both sets that are in a suspected pair."""
        return len({pair.first for pair in self.suspected}), len(
            {pair.second for pair in self.suspected}
        )


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """All comparisons and the limit they were made with."""

    max_bits: int
    comparisons: list[SetComparison]


def write_overlap(path: Path, overlap: Overlap) -> None:
    """Write the comparisons as JSON, atomically; the same sets give the same bytes."""
    atomic_write(path, json.dumps(dataclasses.asdict(overlap), indent=1) + "\n")


def read_overlap(path: Path) -> Overlap:
    """Read what `write_overlap` wrote.

    Raises:
        ValueError: If the file is missing or is not such a file.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such file; run `dvc repro overlap`")
    try:
        return _overlap(json.loads(path.read_text()))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not written by `stages.overlap`: {error}") from error


def _overlap(values: dict[str, Any]) -> Overlap:
    comparisons = [
        SetComparison(
            **{
                **one,
                "sizes": tuple(one["sizes"]),
                "suspected": [ImagePair(**pair) for pair in one["suspected"]],
                "closest": [ImagePair(**pair) for pair in one["closest"]],
            }
        )
        for one in values["comparisons"]
    ]
    return Overlap(max_bits=values["max_bits"], comparisons=comparisons)
