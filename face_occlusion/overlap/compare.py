"""Compare sets of training and benchmark images: suspected copies, and people in both."""

import functools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from face_occlusion.core.imageset import ImageSet
from face_occlusion.core.parallel import ordered_map
from face_occlusion.core.params import Checked, Meta, Natural
from face_occlusion.overlap.findings import Overlap, SetComparison
from face_occlusion.overlap.hashes import (
    HASH_BITS,
    all_distances,
    close_pairs,
    closest_pairs,
    hash_image,
)


@dataclass(frozen=True, kw_only=True)
class OverlapParams(Checked):
    """Section `overlap` of params.yaml."""

    training: Sequence[str]  # image sets below data/ that runs are trained on
    benchmarks: Sequence[str]  # image sets below data/benchmarks/
    # Images whose closest views differ in no more bits, of 256, are suspected.
    max_bits: Annotated[int, Meta(ge=0, lt=HASH_BITS // 2)]
    num_closest: Natural  # pairs shown of each two sets, whether suspected or not


def hash_sets(
    image_sets: Mapping[str, ImageSet], turned: Collection[str], workers: int | None = None
) -> dict[str, np.ndarray]:
    """Hash every image of several sets: name -> (N, V, A, WORDS) uint64, see `hash_image`.

    The sets named in `turned` are hashed in all variants. An unreadable image is a ValueError.
    """
    items = [(name, key) for name, one in image_sets.items() for key in one.keys]
    hash_one = functools.partial(_hash_sample, image_sets=image_sets, turned=frozenset(turned))
    found: dict[str, list[np.ndarray]] = {name: [] for name in image_sets}
    hashes = ordered_map(hash_one, items, desc="hash images", workers=workers)
    for (name, _), one in zip(items, hashes, strict=True):
        found[name].append(one)
    return {name: np.stack(hashes) for name, hashes in found.items()}


def _hash_sample(
    item: tuple[str, str], *, image_sets: Mapping[str, ImageSet], turned: Collection[str]
) -> np.ndarray:
    name, key = item
    image_set = image_sets[name]
    seg_map = image_set.seg_map(key) if "png" in image_set.parts(key) else None
    return hash_image(image_set.image(key), seg_map, variants=name in turned)


def find_overlap(
    training: Mapping[str, ImageSet],
    benchmarks: Mapping[str, ImageSet],
    *,
    max_bits: int,
    num_closest: int,
    workers: int | None = None,
) -> Overlap:
    """Compare each training set with each benchmark, and the benchmarks among each other.

    Sets that are absent are left out. Images at most `max_bits` apart are suspected to show one
    photograph; `num_closest` pairs are kept of each two sets.
    """
    training = {name: one for name, one in training.items() if not one.absent}
    benchmarks = {name: one for name, one in benchmarks.items() if not one.absent}
    hashes = hash_sets(training | benchmarks, benchmarks.keys(), workers)
    identities = {name: read_identities(one) for name, one in (training | benchmarks).items()}
    names = list(benchmarks)
    pairs = [(first, second) for first in training for second in names]
    pairs += [(first, second) for n, first in enumerate(names) for second in names[n + 1 :]]
    comparisons = []
    for first, second in pairs:
        one, other = (training | benchmarks)[first], benchmarks[second]
        distances = all_distances(hashes[first][:, :, :1], hashes[second])
        words, shared = compare_identities(identities[first], identities[second], first, second)
        comparisons.append(
            SetComparison(
                first=first,
                second=second,
                sizes=(len(one), len(other)),
                same_release=bool({*one.info["sources"]} & {*other.info["sources"]}),
                suspected=close_pairs(distances, one.keys, other.keys, max_bits),
                closest=closest_pairs(distances, one.keys, other.keys, num_closest),
                identities=words,
                shared_identities=shared,
            )
        )
    return Overlap(max_bits=max_bits, comparisons=comparisons)


def read_identities(image_set: ImageSet) -> set[tuple[str, str]] | None:
    """Read whose faces a set holds: (source, identity) of each record; None if one has none."""
    found = set()
    for key in image_set.keys:
        record = image_set.record(key) if "json" in image_set.parts(key) else {}
        if record.get("identity") is None:
            return None
        found.add((record.get("source", ""), record["identity"]))
    return found


def compare_identities(
    first: set[tuple[str, str]] | None,
    second: set[tuple[str, str]] | None,
    first_name: str,
    second_name: str,
) -> tuple[str, int | None]:
    """Say whether people are in both sets; unknown where identities are missing or of two kinds.

    Returns the words, and how many are in both, None where that is unknown.
    """
    unknown = [name for name, one in ((first_name, first), (second_name, second)) if one is None]
    if first is None or second is None:
        return f"unknown: {' and '.join(unknown)} name no identities", None
    if {source for source, _ in first} != {source for source, _ in second}:
        return "unknown: identities of two releases", None
    if shared := len(first & second):
        return f"{shared} of {len(second)} in both", shared
    return f"none: {len(second)} identities, {len(first)} others", 0
