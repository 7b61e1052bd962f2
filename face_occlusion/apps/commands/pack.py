"""`face-occlusion pack`: an image set from folders of files."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer


def pack(
    images: Annotated[Path, typer.Argument(help="folder of images: jpg, png, webp, tif, ...")],
    masks: Annotated[Path, typer.Argument(help="folder of masks, named like their images")],
    out: Annotated[Path, typer.Argument(help="new folder for the set")],
    name: Annotated[
        str | None, typer.Option(help="what the set calls itself (default: OUT's name)")
    ] = None,
    kind: Annotated[
        Literal["faces", "benchmark"], typer.Option(help="to train on, or to evaluate on")
    ] = "faces",
    licence: Annotated[
        str | None, typer.Option(help="terms the images come under, for the set's card")
    ] = None,
    samples_per_shard: Annotated[int, typer.Option(help="images in one tar file")] = 256,
    jpeg_quality: Annotated[int, typer.Option(help="for images that are no JPEG yet")] = 95,
) -> None:
    """Pack your images and face masks into a set that training and evaluation read.

    An image and its mask have the same name but for the suffix. Masks are 0/1 or 0/255, face
    high; 0/1/255 means background, face, ignored. JPEGs go in byte for byte, with whatever
    their metadata says, unless they are turned by EXIF or in CMYK. Nothing is written if an
    image lacks its mask, a mask its image, or their sizes differ.

    Example: face-occlusion pack photos/ masks/ data/benchmarks/mine --kind benchmark
    """
    from face_occlusion.apps.folders import pack_folder

    title = name or out.resolve().name
    info: dict[str, Any] = {
        "kind": kind,
        "name": title,
        "sources": [f"files packed from '{images.name}'"],
    }
    if licence:
        info["licence"] = licence
    packed = pack_folder(
        images,
        masks,
        out,
        info=info,
        samples_per_shard=samples_per_shard,
        jpeg_quality=jpeg_quality,
    )
    typer.echo(f"{out}: {len(packed)} samples in {len(packed.shards)} shards")
