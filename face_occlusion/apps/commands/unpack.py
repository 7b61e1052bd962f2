"""`face-occlusion unpack`: files from an image set."""

from pathlib import Path
from typing import Annotated

import typer


def unpack(
    image_set: Annotated[Path, typer.Argument(metavar="SET", help="folder of an image set")],
    out: Annotated[Path, typer.Argument(help="new folder for images/, masks/, records/")],
) -> None:
    """Write the samples of an image set as files that any program opens.

    images/KEY.jpg byte for byte, masks/KEY.png with face 255 (with a grey palette colour for
    ignored pixels), records/KEY.json; masks_original/ and cutouts/ where the set has them.
    `face-occlusion pack OUT/images OUT/masks NEW` packs the files again.

    Example: face-occlusion unpack data/sets/randocc_1 randocc_1_files
    """
    from face_occlusion.apps.folders import unpack_image_set
    from face_occlusion.core.imageset import ImageSet

    opened = ImageSet(image_set)
    unpack_image_set(opened, out)
    typer.echo(f"{out}: {len(opened)} samples")
