"""Occluder kinds that a person wrote down, for benchmarks whose file names do not say."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from face_occlusion.evaluation.scores import RunScores

COLUMNS = ["benchmark", "key", "occluder_kind"]


def read_occluder_kinds(path: Path) -> dict[tuple[str, str], str]:
    """Read a CSV of benchmark, key and occluder_kind, a line per image; a header alone is fine.

    Returns:
        The kind by (benchmark, key).

    Raises:
        ValueError: If the file is missing, has other columns, an empty value or an image twice;
            names the line.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such file; report.breakdown.occluder_kinds names it")
    kinds: dict[tuple[str, str], str] = {}
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames != COLUMNS:
            raise ValueError(f"{path}: columns must be {COLUMNS}; got {reader.fieldnames}")
        for row in reader:
            where = f"{path}: line {reader.line_num}"
            if None in row or not all(row[column] for column in COLUMNS):
                raise ValueError(f"{where}: must hold {', '.join(COLUMNS)}; got {row}")
            image = (row["benchmark"], row["key"])
            if image in kinds:
                raise ValueError(f"{where}: '{image[1]}' of '{image[0]}' is listed twice")
            kinds[image] = row["occluder_kind"]
    return kinds


def name_kinds(
    runs: Mapping[str, RunScores], kinds: Mapping[tuple[str, str], str], path: Path
) -> dict[str, RunScores]:
    """Put written-down kinds in the place of those from file names.

    Args:
        runs: Score files by name of the run.
        kinds: Of `read_occluder_kinds`.
        path: Where they come from, for errors.

    Raises:
        ValueError: If an image is in no scored benchmark.
    """
    known = {
        (name, key)
        for scores in runs.values()
        for name, part in scores.benchmarks.items()
        for key in part.keys
    }
    if unknown := sorted(set(kinds) - known):
        raise ValueError(f"{path}: no image '{unknown[0][1]}' in benchmark '{unknown[0][0]}'")
    return {name: _named(scores, kinds) for name, scores in runs.items()} if kinds else dict(runs)


def _named(scores: RunScores, kinds: Mapping[tuple[str, str], str]) -> RunScores:
    benchmarks = {}
    for name, part in scores.benchmarks.items():
        images = [
            replace(image, occluder_kind=kinds.get((name, image.key), image.occluder_kind))
            for image in part.images
        ]
        benchmarks[name] = replace(part, images=images)
    return replace(scores, benchmarks=benchmarks)
