"""Commands about faces and occluders: occlude, compare variants, align, train RainNet."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from typer import Argument, Option

from face_occlusion.apps.commands.image_sets import Workers

PREDICTED = "predicted:"


def occlude(
    faces: Annotated[Path, Option(help="folder of images: jpg, png, webp, tif, ...")],
    masks: Annotated[
        str,
        Option(
            help="folder of masks, named like their images; or predicted:RUN: the face that a "
            "trained run finds in each image"
        ),
    ],
    occluders: Annotated[
        Path, Option(help="folder of RGBA files or of textures, or an image set (data/occluders/*)")
    ],
    out: Annotated[Path, Option(help="new folder: images, masks, records")],
    method: Annotated[
        Literal["natocc", "randocc"],
        Option(help="natocc: cut-outs of hands or objects; randocc: textured random shapes"),
    ] = "natocc",
    occluder_masks: Annotated[
        Path | None, Option(help="folder of masks, if the occluders are plain images")
    ] = None,
    hands: Annotated[
        bool,
        Option(
            "--hands",
            help="the occluder files are hands, which reach for the face (an image set says so "
            "itself)",
        ),
    ] = False,
    preset: Annotated[
        Literal["paper", "published"],
        Option(help="published: sizes, opacity and colour transfer of the published code"),
    ] = "paper",
    scale: Annotated[
        tuple[float, float] | None,
        Option(
            help="range of the occluder's size: square root of its area over the face's "
            "(default: 0.5 1)"
        ),
    ] = None,
    covered: Annotated[
        tuple[float, float] | None,
        Option(help="range of the covered share of the face (default: 0.05 0.5)"),
    ] = None,
    colours: Annotated[
        str,
        Option(
            help="fit: hands take the face's colours, objects the colours around them; keep: "
            "unchanged; or a method: sot (hands); reinhard, mkl, rainnet:CHECKPOINT (objects)"
        ),
    ] = "fit",
    exact_background: Annotated[
        bool,
        Option(
            "--exact-background",
            help="leave pixels that no occluder touches exactly as they are; writes PNG",
        ),
    ] = False,
    keep_classes: Annotated[
        str | None, Option(help="masks are maps of class ids; these ids are the face, e.g. '1,2,4'")
    ] = None,
    occluded_class: Annotated[
        int, Option(help="with --keep-classes: id of the pixels that the occluder hides")
    ] = 0,
    seed: Annotated[int, Option(help="another seed gives other occlusions")] = 1,
    workers: Workers = None,
) -> None:
    """Put an occluder over every face of a folder, and update the masks.

    Images may have any size and common format; an image and its mask have the same file name
    except for the suffix. Masks hold 0 and 1, or 0 and 255, where the larger value is face; with
    --keep-classes they are maps of class ids, of which only the hidden pixels change. Pixels that
    the occluder covers by half or more become background. The record of a sample lists all its
    random values; a sample depends only on its file name and the seed. Nothing is written if a
    face cannot be occluded within the given ranges. `face-occlusion look OUT` draws the result.

    Faces without masks: --masks predicted:RUN takes the face that a run of the pipeline finds in
    images that a face fills. For other photographs, `face-occlusion predict RUN PHOTOS --align`
    writes masks that this command reads.

    Example: face-occlusion occlude --faces photos --masks masks --occluders cutouts --out occluded
    """
    import dataclasses
    import tempfile

    from face_occlusion.apps.durations import format_seconds
    from face_occlusion.apps.folders import OR_PALETTE, pair_files
    from face_occlusion.apps.occluding import (
        Occluding,
        holds_hands,
        occlude_pairs,
        read_occluders,
    )
    from face_occlusion.generation.occlusion import ClassIds
    from face_occlusion.generation.presets import PRESETS, with_colours

    hands = hands or holds_hands(occluders)
    kind = "textures" if method == "randocc" else "hands" if hands else "objects"
    params = with_colours(PRESETS[preset](kind, seed), kind, colours)
    given = {"scale_range": scale, "covered_frac_range": covered}
    given = {name: list(values) for name, values in given.items() if values}
    try:
        params = dataclasses.replace(params, keep_background=exact_background, **given)
    except ValueError as error:
        text = str(error).replace("scale_range", "--scale")
        raise ValueError(text.replace("covered_frac_range", "--covered")) from error
    class_ids = None
    if keep_classes is not None:
        class_ids = ClassIds(_parse_ids(keep_classes), *_parse_ids(str(occluded_class)))
    with tempfile.TemporaryDirectory(prefix="face-occlusion-") as scratch:
        folder, masks_by = Path(masks), None
        if masks.startswith(PREDICTED):
            from face_occlusion.apps.prediction.predict import predict_masks

            folder = Path(scratch) / "masks"
            masks_by = predict_masks(Path(masks.removeprefix(PREDICTED)), faces, folder)
        pairs = pair_files(faces, folder)
        source = read_occluders(occluders, method, Path(scratch), masks=occluder_masks, hands=hands)
        about = {"masks": masks_by} if masks_by else {}
        job = Occluding(source=source, params=params, class_ids=class_ids, about=about)
        if preset == "published":  # its colour transfer takes seconds a face
            typer.echo(
                f"about {format_seconds(job.seconds(pairs, workers))} for {len(pairs)} faces"
            )
        occlude_pairs(pairs, out, job, workers)
    kept = "class ids as before" if class_ids else OR_PALETTE
    typer.echo(f"{out}: {len(pairs)} occluded faces; masks/: {kept}")


def _parse_ids(text: str) -> tuple[int, ...]:
    """Parse class ids separated by commas.

    Raises:
        ValueError: If one is not a whole number from 0 to 255.
    """
    ids = tuple(int(part) if part.strip().isdigit() else -1 for part in text.split(","))
    if not all(0 <= class_id <= 255 for class_id in ids):
        raise ValueError(f"class ids must be whole numbers from 0 to 255; got {text!r}")
    return ids


def sheets(
    faces: Annotated[Path, Option(help="image set of faces")] = Path("data/faces/wo"),
    occluders: Annotated[
        Path, Option(help="folder with the image sets hands, objects, textures")
    ] = Path("data/occluders"),
    out: Annotated[Path, Option(help="folder for the PNG files")] = Path("sheets"),
    num: Annotated[int, Option(help="samples on each sheet")] = 24,
    columns: Annotated[int, Option(help="samples in a row")] = 4,
    thumb_px: Annotated[int, Option(help="side of each picture in pixels")] = 256,
    objects: Annotated[
        str, Option(help="how objects are harmonised: fit, reinhard, mkl, rainnet:CHECKPOINT")
    ] = "fit",
) -> None:
    """Draw sheets that show variants of the generator side by side.

    The variants on a sheet differ in one thing only; occluders and places are the same. The
    sheets are hands_transfer.png, hands_algorithm1.png, objects_harmonised.png and
    randocc_opacity.png (Figs 6-9 and 14-17 of the paper), and labels.png, which magnifies the
    borders of labels. A sheet whose occluders are absent is left out. The same call draws the
    same sheets.

    Example: face-occlusion sheets --out sheets --thumb-px 512
    """
    from face_occlusion.apps.viewing.comparisons import draw_sheets
    from face_occlusion.core.files import atomic_write
    from face_occlusion.core.images import encode_png

    drawn = draw_sheets(
        faces, occluders, objects=objects, num=num, columns=columns, thumb_px=thumb_px
    )
    for name, sheet in drawn.items():
        atomic_write(out / f"{name}.png", encode_png(sheet))
    typer.echo(f"{out}: {', '.join(sorted(drawn))}")


def align(
    photos: Annotated[Path, Argument(help="folder of images: jpg, png, webp, tif, ...")],
    out: Annotated[Path, Argument(help="new folder: images, masks, alignment.json")],
    masks: Annotated[
        Path | None, Option(help="folder of face masks, named like their photographs")
    ] = None,
    landmarks: Annotated[
        Path | None,
        Option(help="CSV or JSON of landmarks set by hand, used instead of detected ones"),
    ] = None,
    size: Annotated[int, Option(help="side of the aligned images in pixels")] = 1024,
    workers: Workers = None,
) -> None:
    """Cut the largest face out of every photograph and rotate it upright, as in FFHQ and CelebA-HQ.

    Faces are detected by dlib (pip install 'face-occlusion[align]'). Photographs without a
    detected face are listed in without_detection.txt; give the eyes and mouth corners of those
    with --landmarks: a CSV with the columns name, left_eye_x, left_eye_y, right_eye_x,
    right_eye_y, left_mouth_x, left_mouth_y, right_mouth_x, right_mouth_y (left as seen in the
    image), or a JSON {"name": [[x, y], ...]} with 4, 5, 29 or 68 points. alignment.json holds
    the transform from each aligned image back to its photograph.

    Example: face-occlusion align photos aligned --landmarks eyes.csv
    """
    from face_occlusion.alignment.landmarks import read_landmarks
    from face_occlusion.apps.aligning import WITHOUT, align_folder
    from face_occlusion.apps.folders import OR_PALETTE

    by_hand = {} if landmarks is None else read_landmarks(landmarks)
    count, without = align_folder(
        photos, out, size_px=size, masks=masks, by_hand=by_hand, workers=workers
    )
    typer.echo(f"{out}: {count} faces aligned" + (f"; masks/: {OR_PALETTE}" if masks else ""))
    if without:
        typer.echo(f"{len(without)} photographs without a detection, listed in {out / WITHOUT}")


def train_rainnet(
    faces: Annotated[
        Path, Argument(help="image set of photographs, e.g. data/faces/wo, or a file by --pack")
    ],
    cutouts: Annotated[
        list[Path] | None, Argument(help="image sets of cut-outs, e.g. data/occluders/objects")
    ] = None,
    out: Annotated[Path, Option(help="checkpoint to write")] = Path("exports/rainnet.pth"),
    size: Annotated[int, Option(help="side of the training images, 256 or 512")] = 256,
    width: Annotated[
        int, Option(help="channels after the first convolution; 64 as published")
    ] = 64,
    iterations: Annotated[int, Option(help="training steps")] = 6000,
    batch_size: Annotated[int, Option(help="composites in a step")] = 32,
    learning_rate: Annotated[
        float, Option(help="initial learning rate of AdamW, decreasing to 0")
    ] = 5e-4,
    seed: Annotated[int, Option(help="seed of weights and composites")] = 1,
    max_faces: Annotated[int, Option(help="most photographs to hold in memory")] = 4096,
    num_held_out: Annotated[int, Option(help="composites to measure the errors on")] = 256,
    device: Annotated[str, Option(help="cpu, cuda, cuda:1, ...")] = "cpu",
    pack: Annotated[
        Path | None, Option(help="instead of training, write the images to this .npz file")
    ] = None,
) -> None:
    """Train RainNet, the network that adapts the colours of a cut-out to a photograph.

    Training composites are made from the sets: the colours of a foreground are changed, and the
    network learns to undo the change. One image in eight is held out; at the end the colour
    error on composites of those is printed for the unchanged input, for MKL and Reinhard
    statistics at their best strengths, and for the network. The checkpoint has the format of the
    published network; use it as `harmonisation: {method: "rainnet:exports/rainnet.pth"}` in
    params.yaml. rainnet.json, next to it, says what it was trained on.

    To train on another machine without copying the sets, write the images to a file here with
    --pack images.npz, and there run `face-occlusion train-rainnet images.npz --device cuda`.

    Example: face-occlusion train-rainnet data/faces/wo data/occluders/objects
    """
    from face_occlusion.apps.rainnet.training import TrainingParams, error_table, train_rainnet
    from face_occlusion.apps.rainnet.training_images import read_images, save_images
    from face_occlusion.generation.harmonisation.rainnet import check_side
    from face_occlusion.networks.devices import check_device

    check_side(size, size)
    if pack is None:
        check_device(device)
    params = TrainingParams(
        width=width,
        iterations=iterations,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
        num_held_out=num_held_out,
    )
    images = read_images(faces, cutouts or [], size, max_faces)
    if pack is not None:
        save_images(images, pack)
        typer.echo(f"{len(images.faces)} photographs and {len(images.cutouts)} cut-outs in {pack}")
        return
    typer.echo(error_table(train_rainnet(images, out, params, device)))
