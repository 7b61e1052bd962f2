"""How many images there are, read from the image sets themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from face_occlusion.core.imageset import ImageSet

NO_PART = "none"  # fills the places of a combination's `data` for DVC


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """Every image set under the data folder that the report speaks of, by its path there."""

    sets: dict[str, ImageSet]  # e.g. "faces/wo", "sets/natocc_hand", "benchmarks/realocc"

    def size(self, name: str) -> int:
        """Return the number of images of a set."""
        return len(self.sets[name])

    def sizes(self, combination: Mapping[str, Any]) -> tuple[int, int]:
        """Return the images of a combination: photographs, generated."""
        parts = [part for part in combination["data"] if part != NO_PART]
        photographs = sum(self.size(part) for part in parts if part.startswith("faces/"))
        return photographs, sum(self.size(part) for part in parts) - photographs

    def quantity(self, combination: Mapping[str, Any]) -> str:
        """Write a combination's images as the paper does: "24,602 + 49,204"."""
        photographs, generated = self.sizes(combination)
        return f"{photographs:,} + {generated:,}" if generated else f"{photographs:,}"


def take_inventory(
    data: Path, combinations: Mapping[str, Any], benchmarks: Sequence[str]
) -> Inventory:
    """Open the sets that the grid uses.

    Args:
        data: Folder with `faces/`, `sets/` and `benchmarks/`.
        combinations: Section `combinations` of params.yaml.
        benchmarks: Names of the benchmarks.

    Raises:
        ValueError: If a set is missing or damaged.
    """
    names = {"faces/wo": None, "faces/wo_test": None, "faces/o": None}
    parts = {part for combination in combinations.values() for part in combination["data"]}
    names |= dict.fromkeys(sorted(parts - {NO_PART}))
    names |= {f"benchmarks/{name}": None for name in benchmarks}
    return Inventory(sets={name: ImageSet(data / name) for name in names})
