"""`face-occlusion overlap`: images that are in several image sets."""

from pathlib import Path
from typing import Annotated

import typer


def overlap(
    image_sets: Annotated[list[Path], typer.Argument(metavar="SET SET", help="image sets")],
    max_bits: Annotated[
        int, typer.Option(help="pairs that differ in no more bits, of 256, are listed")
    ] = 48,
    show: Annotated[int, typer.Option(help="pairs listed of each two sets")] = 20,
    workers: Annotated[int | None, typer.Option(help="processes (default: one a core)")] = None,
) -> None:
    """List images of several sets that seem to show one photograph, closest first.

    Images are compared by perceptual hashes, whole and around the face, mirrored and turned; also
    by the identities that their records name. What is listed is suspected, to be looked at.
    docs/provenance.md says how many copies are found at a limit, and how many others.

    Example: face-occlusion overlap data/faces/wo data/benchmarks/mine
    """
    from face_occlusion.core.imageset import ImageSet
    from face_occlusion.overlap.compare import find_overlap

    opened = {str(folder): ImageSet(folder) for folder in image_sets}
    if len(opened) < 2:
        raise ValueError("name two image sets or more, each once")
    found = find_overlap({}, opened, max_bits=max_bits, num_closest=1, workers=workers)
    for one in found.comparisons:
        nearest = f"; closest: {one.closest[0].bits} bits" if one.closest else ""
        typer.echo(
            f"{one.first} and {one.second}: {len(one.suspected)} pairs suspected{nearest}; "
            f"identities in both: {one.identities}"
        )
        for pair in one.suspected[:show]:
            typer.echo(f"  {pair.first} {pair.second} {pair.bits}")
