"""`face-occlusion occlude`: occlude faces of one's own."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def occlude(
    faces: Annotated[Path, typer.Option(help="folder of images: jpg, png, webp, tif, ...")],
    masks: Annotated[Path, typer.Option(help="folder of masks, named like their images")],
    occluders: Annotated[
        Path,
        typer.Option(
            help="folder of RGBA files or of textures, or an image set (data/occluders/*)"
        ),
    ],
    out: Annotated[Path, typer.Option(help="new folder: images, masks, records")],
    method: Annotated[
        Literal["natocc", "randocc"],
        typer.Option(help="natocc: cut-outs of hands or objects; randocc: textured random shapes"),
    ] = "natocc",
    occluder_masks: Annotated[
        Path | None, typer.Option(help="folder of masks, if the occluders are plain images")
    ] = None,
    hands: Annotated[
        bool,
        typer.Option(
            "--hands", help="the files are hands: they reach for the face (image sets know it)"
        ),
    ] = False,
    preset: Annotated[
        Literal["paper", "published"],
        typer.Option(help="published: sizes, opacity and colour transfer as the published code"),
    ] = "paper",
    scale: Annotated[
        tuple[float, float] | None,
        typer.Option(help="size of the occluder, root of its area / face's (default: 0.5 1)"),
    ] = None,
    covered: Annotated[
        tuple[float, float] | None,
        typer.Option(help="share of the face that may be covered (default: 0.05 0.5)"),
    ] = None,
    colours: Annotated[
        str,
        typer.Option(
            help="fit: hands get the face's colours, objects those around them; keep; or how to "
            "fit: sot (hands); reinhard, mkl, rainnet:CHECKPOINT (objects)"
        ),
    ] = "fit",
    exact_background: Annotated[
        bool,
        typer.Option(
            "--exact-background",
            help="pixels that no occluder touches keep their very values; writes PNG",
        ),
    ] = False,
    keep_classes: Annotated[
        str | None,
        typer.Option(help="keep a mask's classes; these ids are the face, e.g. '1,2,4'"),
    ] = None,
    occluded_class: Annotated[
        int, typer.Option(help="with --keep-classes: id of what the occluder hides")
    ] = 0,
    seed: Annotated[int, typer.Option(help="another seed gives other occlusions")] = 1,
    workers: Annotated[int | None, typer.Option(help="processes (default: one a core)")] = None,
) -> None:
    """Put an occluder over every face of a folder, and update the masks.

    Faces may have any size and common format; images and masks have the same name but for the
    suffix. Masks are 0/1 or 0/255, face high; with --keep-classes they are maps of class ids, of
    which only what the occluder hides changes. What an occluder covers by half or more becomes
    background. Each sample's record says all that was drawn; a sample depends on its name and
    the seed alone. Nothing is written if a face cannot be occluded within the bounds.

    Example: face-occlusion occlude --faces photos --masks masks --occluders cutouts --out occluded
    """
    import dataclasses

    from face_occlusion.apps.occluding import FolderOptions, holds_hands, occlude_folder
    from face_occlusion.generation.occlusion import ClassIds
    from face_occlusion.generation.presets import PRESETS, with_colours

    hands = hands or holds_hands(occluders)
    kind = "textures" if method == "randocc" else "hands" if hands else "objects"
    params = with_colours(PRESETS[preset](kind, seed), kind, colours)
    params = dataclasses.replace(
        params,
        scale_range=list(scale or params.scale_range),
        covered_frac_range=list(covered or params.covered_frac_range),
        keep_background=exact_background,
    )
    class_ids = None
    if keep_classes is not None:
        class_ids = ClassIds(_parse_ids(keep_classes), *_parse_ids(str(occluded_class)))
    options = FolderOptions(
        params=params,
        class_ids=class_ids,
        occluder_masks=occluder_masks,
        hands=hands,
        lossless=exact_background,
    )
    count = occlude_folder(faces, masks, occluders, out, options, workers)
    typer.echo(f"{out}: {count} occluded faces")


def _parse_ids(text: str) -> tuple[int, ...]:
    """Parse class ids between commas.

    Raises:
        ValueError: If one is no whole number from 0 to 255.
    """
    ids = tuple(int(part) if part.strip().isdigit() else -1 for part in text.split(","))
    if not all(0 <= class_id <= 255 for class_id in ids):
        raise ValueError(f"class ids must be whole numbers from 0 to 255; got {text!r}")
    return ids
