"""`face-occlusion verify`: are image sets as they were written?"""

from pathlib import Path
from typing import Annotated

import typer


def verify(
    image_sets: Annotated[
        list[Path], typer.Argument(metavar="SET...", help="folders of image sets")
    ],
) -> None:
    """Hash every shard of image sets again and compare with their index.

    Finds what DVC does not look for in its cache and on a remote: a file changed in place.
    Ends with an error at the first shard that differs.

    Example: face-occlusion verify data/faces/* data/sets/*
    """
    from face_occlusion.imageset import ImageSet

    for folder in image_sets:
        opened = ImageSet(folder)
        opened.verify()
        typer.echo(f"{folder}: {len(opened)} samples in {len(opened.shards)} shards, as written")
