"""`face-occlusion align`: photographs of one's own, aligned as FFHQ aligns them."""

from pathlib import Path
from typing import Annotated

import typer


def align(
    photos: Annotated[Path, typer.Argument(help="folder of images: jpg, png, webp, tif, ...")],
    out: Annotated[Path, typer.Argument(help="new folder: images, masks, alignment.json")],
    masks: Annotated[
        Path | None, typer.Option(help="folder of face masks, named like their photographs")
    ] = None,
    landmarks: Annotated[
        Path | None, typer.Option(help="CSV or JSON of landmarks given by hand, which go first")
    ] = None,
    size: Annotated[int, typer.Option(help="side of the aligned images")] = 1024,
    workers: Annotated[int | None, typer.Option(help="processes (default: one a core)")] = None,
) -> None:
    """Cut the largest face out of every photograph, upright, as FFHQ and CelebA-HQ have them.

    Faces are found by dlib (pip install 'face-occlusion[align]'). Those it does not find are
    listed in without_detection.txt; give their eyes and corners of the mouth with --landmarks: a
    CSV with the columns name, left_eye_x, left_eye_y, right_eye_x, right_eye_y, left_mouth_x,
    left_mouth_y, right_mouth_x, right_mouth_y (left as seen in the image), or a JSON
    {"name": [[x, y], ...]} with 4, 5, 29 or 68 points. alignment.json holds each transform back.

    Example: face-occlusion align photos aligned --landmarks eyes.csv
    """
    from face_occlusion.alignment.landmarks import read_landmarks
    from face_occlusion.apps.aligning import WITHOUT, align_folder

    by_hand = {} if landmarks is None else read_landmarks(landmarks)
    count, without = align_folder(
        photos, out, size_px=size, masks=masks, by_hand=by_hand, workers=workers
    )
    typer.echo(f"{out}: {count} faces aligned")
    if without:
        typer.echo(f"{len(without)} photographs without a detection, listed in {out / WITHOUT}")
