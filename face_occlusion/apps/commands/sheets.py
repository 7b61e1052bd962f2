"""`face-occlusion sheets`: comparisons to look at."""

from pathlib import Path
from typing import Annotated

import typer


def sheets(
    faces: Annotated[Path, typer.Option(help="image set of faces")] = Path("data/faces/wo"),
    occluders: Annotated[
        Path, typer.Option(help="folder with the image sets hands, objects, textures")
    ] = Path("data/occluders"),
    out: Annotated[Path, typer.Option(help="folder for the PNG files")] = Path("sheets"),
    num: Annotated[int, typer.Option(help="samples on each sheet")] = 24,
    columns: Annotated[int, typer.Option(help="samples in a row")] = 4,
    thumb_px: Annotated[int, typer.Option(help="side of a picture")] = 256,
    objects: Annotated[
        str, typer.Option(help="harmonisation: fit (default), reinhard, mkl, rainnet:CHECKPOINT")
    ] = "fit",
) -> None:
    """Draw sheets that compare, side by side, what differs in one thing only.

    The same occluders in the same places: hands_transfer.png, hands_algorithm1.png,
    objects_harmonised.png, randocc_opacity.png (Figs 6-9 and 14-17 of the paper), and labels.png,
    where labels end, magnified. Sheets of absent occluders are left out. The same call draws the
    same sheets.

    Example: face-occlusion sheets --out sheets --thumb-px 512
    """
    import tempfile

    from face_occlusion.apps.viewing.comparisons import comparisons, draw_comparison, draw_labels
    from face_occlusion.core.images import encode_png
    from face_occlusion.core.imageset import ImageSet
    from face_occlusion.core.writing import write_aside
    from face_occlusion.generation.store import open_store

    face_set = ImageSet(faces)
    layout = {"num": num, "columns": columns, "thumb_px": thumb_px}
    with tempfile.TemporaryDirectory(prefix="face-occlusion-") as scratch:
        methods = {"hands": "natocc", "objects": "natocc", "textures": "randocc"}
        sets = {kind: ImageSet(occluders / kind) for kind in methods}
        stores = {
            kind: open_store(image_set, methods[kind], Path(scratch) / f"{kind}.bin")
            for kind, image_set in sets.items()
            if image_set.absent is None
        }
        drawn = {
            name: draw_comparison(comparison, face_set, stores[comparison.kind], **layout)
            for name, comparison in comparisons(objects).items()
            if comparison.kind in stores
        }
        drawn["labels"] = draw_labels(face_set, stores, **layout)
    for name, sheet in drawn.items():
        write_aside(out / f"{name}.png", encode_png(sheet))
    typer.echo(f"{out}: {', '.join(sorted(drawn))}")
