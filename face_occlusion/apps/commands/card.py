"""`face-occlusion card`: the card of an image set, written anew."""

from pathlib import Path
from typing import Annotated

import typer


def card(
    image_sets: Annotated[list[Path], typer.Argument(metavar="SET", help="image sets")],
) -> None:
    """Write README.md and croissant.json of image sets, from their index.

    Every set is written with both: what it holds, where it comes from and under which terms, how
    it was made, and the hashes; croissant.json says so in the vocabulary of data catalogues, and
    `mlcroissant` opens it. This is for sets that an earlier version wrote. In a folder that DVC
    made, `dvc repro` is the better way.

    Example: face-occlusion card data/benchmarks/mine
    """
    from face_occlusion.core.imageset import ImageSet
    from face_occlusion.core.imageset.cards import CARD, CROISSANT, write_cards

    for folder in image_sets:
        opened = ImageSet(folder)
        write_cards(folder, opened.shards, opened.info)
        typer.echo(f"{folder}: {CARD} and {CROISSANT} of {len(opened)} samples")
