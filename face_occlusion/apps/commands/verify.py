"""`face-occlusion verify`: are image sets, and DVC's cache, as they were written?"""

from pathlib import Path
from typing import Annotated

import typer


def verify(
    image_sets: Annotated[
        list[Path] | None, typer.Argument(metavar="SET", help="folders of image sets")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="DVC's cache, usually .dvc/cache: hash all of it, too")
    ] = None,
    lock: Annotated[
        Path, typer.Option(help="says which outputs the cache's objects belong to")
    ] = Path("dvc.lock"),
) -> None:
    """Hash every shard of image sets again and compare with their index, and their cards.

    Finds what DVC does not look for in its cache and on a remote: a file changed in place.
    Ends with an error at the first shard that differs, or after listing the cache's damaged
    objects: delete those, then `dvc pull` or `dvc repro` brings them back.

    Example: face-occlusion verify data/faces/* data/sets/*

    Example: face-occlusion verify --cache .dvc/cache
    """
    from face_occlusion.apps.running.cache import find_damaged
    from face_occlusion.core.imageset import ImageSet

    if not image_sets and cache is None:
        raise ValueError("nothing to verify: name image sets, or --cache .dvc/cache")
    for folder in image_sets or ():
        opened = ImageSet(folder)
        opened.verify()
        typer.echo(f"{folder}: {len(opened)} samples in {len(opened.shards)} shards, as written")
    if cache is not None:
        count, damaged = find_damaged(cache, lock)
        for item in damaged:
            typer.echo(f"damaged: {item.path} ({item.output or 'of no output in ' + str(lock)})")
        if damaged:
            raise ValueError(
                f"{cache}: {len(damaged)} of {count} objects are not what their names say; delete "
                "them and the outputs named, then `dvc pull` or `dvc repro`"
            )
        typer.echo(f"{cache}: {count} objects, as their names say")
