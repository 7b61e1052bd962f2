"""Photographs and people that training and benchmark images share, as a table and as pairs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from face_occlusion.core.imageset import ImageSet
from face_occlusion.overlap.findings import Comparison, Overlap
from face_occlusion.reporting.pictures import data_uri, reduced
from face_occlusion.reporting.table_files import Table

PAGE_PAIRS = 12


def overlap_table(overlap: Overlap) -> Table:
    """List how many images of each two sets are suspected to show one photograph."""
    comparisons = overlap.comparisons
    long = pd.DataFrame(
        {
            "first": one.first,
            "second": one.second,
            "images_first": one.sizes[0],
            "images_second": one.sizes[1],
            "same_release": one.same_release,
            "suspected_pairs": len(one.suspected),
            "suspected_first": one.num_suspected[0],
            "suspected_second": one.num_suspected[1],
            "closest_bits": one.closest[0].bits if one.closest else None,
            "shared_identities": one.shared_identities,
            "identities": one.identities,
        }
        for one in comparisons
    )
    wide = pd.DataFrame(
        {
            "Set": one.first,
            "Benchmark": one.second,
            "Images": f"{one.sizes[0]:,} and {one.sizes[1]:,}",
            "Suspected": _suspected(one),
            "Closest pair": f"{one.closest[0].bits} bits" if one.closest else "–",
            "People in both": one.identities,
        }
        for one in comparisons
    )
    caption = (
        "Photographs that training and benchmarks share, suspected by perceptual hashes: pairs "
        f"whose closest views differ in at most {overlap.max_bits} of 256 bits."
    )
    return Table(name="overlap", caption=caption, wide=wide, long=long, notes=list(_notes(overlap)))


def _suspected(one: Comparison) -> str:
    if not one.suspected:
        return "none"
    count = f"{one.num_suspected[0]} and {one.num_suspected[1]} images"
    return f"{count} (one release)" if is_meant(one) else count


def is_meant(one: Comparison) -> bool:
    """Tell two benchmarks that are made of the same photographs, such as COFW and its crops."""
    return one.same_release and "benchmarks/" in one.first


def _notes(overlap: Overlap) -> Iterator[str]:
    names = {"benchmarks/realocc", "benchmarks/realocc_wild"}
    for one in overlap.comparisons:
        if {one.first, one.second} == names:
            found = f"{len(one.suspected)} pairs suspected" if one.suspected else "none found here"
            yield f"RealOcc and RealOcc-Wild may share photographs by the paper: {found}."
    if any(one.shared_identities is None for one in overlap.comparisons):
        yield (
            "People are compared where both sets name them, which only faces of CelebAMask-HQ do, "
            "with CelebA's identities beside the release."
        )


def closest_pictures(
    overlap: Overlap, image_sets: Mapping[str, ImageSet], side_px: int
) -> list[dict[str, str | bool]]:
    """Show the closest pairs of all sets that are not meant to share photographs.

    Args:
        overlap: What was found.
        image_sets: By name; pairs of other sets are left out.
        side_px: Longer side of a picture.
    """
    pairs = [
        (pair, one)
        for one in overlap.comparisons
        if not is_meant(one) and {one.first, one.second} <= image_sets.keys()
        for pair in one.closest
    ]
    pairs.sort(key=lambda item: item[0].bits)
    return [
        {
            "first": data_uri(reduced(image_sets[one.first].image(pair.first), side_px)),
            "second": data_uri(reduced(image_sets[one.second].image(pair.second), side_px)),
            "title_first": f"{one.first} {pair.first}",
            "title_second": f"{one.second} {pair.second}",
            "bits": f"{pair.bits} bits",
            "suspected": pair.bits <= overlap.max_bits,
        }
        for pair, one in pairs[:PAGE_PAIRS]
    ]
