"""`face-occlusion look`: a contact sheet of an image set."""

from pathlib import Path
from typing import Annotated

import typer


def look(
    image_set: Annotated[Path, typer.Argument(metavar="SET", help="folder of an image set")],
    out: Annotated[
        Path | None, typer.Option(help="PNG file to write (default: the name of the set)")
    ] = None,
    num: Annotated[int, typer.Option(help="how many samples, spread evenly over the set")] = 24,
    key: Annotated[
        list[str] | None, typer.Option(help="draw this sample instead; may be repeated")
    ] = None,
    largest: Annotated[
        str | None,
        typer.Option(help="draw those whose record has the largest value of this field"),
    ] = None,
    columns: Annotated[int, typer.Option(help="samples in a row")] = 6,
    thumb_px: Annotated[int, typer.Option(help="side of a sample's picture")] = 256,
) -> None:
    """Draw samples of an image set with their masks and their records.

    Green is the outline of the face by the mask; orange the original mask's, where a set has
    both and they differ; magenta borders what is ignored. Cut-outs lie on a checkerboard, hands
    with an arrow where their fingers point. The same call draws the same sheet.

    Example: face-occlusion look data/sets/natocc_hand --num 12 --out hands.png
    """
    from face_occlusion.apps.viewing.contact_sheet import (
        draw_contact_sheet,
        pick_keys,
        pick_largest,
    )
    from face_occlusion.core.images import encode_png
    from face_occlusion.core.imageset import ImageSet
    from face_occlusion.core.writing import write_aside

    opened = ImageSet(image_set)
    path = out or Path(f"{image_set.resolve().name}.png")
    chosen = pick_largest(opened, largest, num) if largest else pick_keys(opened, num)
    keys = key or chosen
    sheet = draw_contact_sheet(opened, keys, columns=columns, thumb_px=thumb_px)
    write_aside(path, encode_png(sheet))
    shown = opened.absent or f"{len(keys)} of {len(opened)} samples"
    typer.echo(f"{path}: {shown}")
