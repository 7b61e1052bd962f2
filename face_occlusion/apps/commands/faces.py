"""Commands about faces and occluders: occlude, compare variants, align, train RainNet."""

from pathlib import Path
from typing import Literal

import typer
from typer import Argument, Option

from face_occlusion.apps.commands.image_sets import Workers

PREDICTED = "predicted:"
Range = tuple[float, float] | None


def occlude(
    faces: Path = Option(..., help="folder of images: jpg, png, webp, tif, ..."),
    masks: str = Option(
        ..., help="folder of masks, named like their images; or predicted:RUN, a trained run's"
    ),
    occluders: Path = Option(..., help="folder of RGBA files, of textures, or an image set"),
    out: Path = Option(..., help="new folder: images, masks, records"),
    method: Literal["natocc", "randocc"] = Option(
        "natocc", help="natocc: cut-outs of hands or objects; randocc: textured random shapes"
    ),
    occluder_masks: Path | None = Option(None, help="masks, if the occluders are plain images"),
    hands: bool = Option(
        False, "--hands", help="files show hands, which reach for the face (a set records it)"
    ),
    preset: Literal["paper", "published"] = Option(
        "paper", help="published: sizes, opacity and colour transfer of the authors' code"
    ),
    scale: Range = Option(
        None, help="range of the square root of an occluder's area over the face's (default: 0.5 1)"
    ),
    covered: Range = Option(None, help="range of the face's covered share (default: 0.05 0.5)"),
    second: float = Option(0.0, help="share of faces with a second occluder, 0-1"),
    colours: str = Option(
        "fit",
        help="fit: hands take the face's colours, objects the colours around them; keep: "
        "unchanged; or a method: sot (hands); reinhard, mkl, rainnet:CHECKPOINT (objects)",
    ),
    exact_background: bool = Option(
        False, "--exact-background", help="keep uncovered pixels unchanged; writes PNG"
    ),
    keep_classes: str | None = Option(
        None, help="masks are maps of class ids; these ids are the face, e.g. '1,2,4'"
    ),
    occluded_class: int = Option(0, help="with --keep-classes: id of what the occluder hides"),
    seed: int = Option(1, help="another seed gives other occlusions"),
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
    import functools
    import tempfile

    from face_occlusion.apps import folders, occluding
    from face_occlusion.core.files import errors_name
    from face_occlusion.core.parallel import ordered_map
    from face_occlusion.generation.occlusion import ClassIds
    from face_occlusion.generation.params import PRESETS, with_colours

    kind = "textures"
    if method == "natocc":
        kind = occluding.kind_of_cutouts(occluders, hands=hands)
    with errors_name("--colours"):
        params = with_colours(PRESETS[preset](kind, seed), kind, colours)
    given = {"scale_range": scale, "covered_frac_range": covered}
    given = {name: list(values) for name, values in given.items() if values}
    try:
        kept = {"keep_background": exact_background, "second_prob": second}
        params = dataclasses.replace(params, **kept, **given)
    except ValueError as error:
        text = str(error).replace("scale_range", "--scale").replace("second_prob", "--second")
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
        pairs = folders.pair_files(faces, folder)
        source = occluding.read_occluders(
            occluders, method, Path(scratch), masks=occluder_masks, hands=hands
        )
        about = {"masks": masks_by} if masks_by else {}
        how = {"source": source, "params": params, "class_ids": class_ids, "about": about}
        occlude_one = functools.partial(occluding.occlude_pair, **how)
        occluded = ordered_map(occlude_one, pairs, desc=f"occlude {faces.name}", workers=workers)
        folders.write_files(out, (file for files in occluded for file in files))
    kept = "class ids as before" if class_ids else folders.OR_PALETTE
    typer.echo(f"{out}: {len(pairs)} occluded faces; masks/: {kept}")


def _parse_ids(text: str) -> tuple[int, ...]:
    """Parse class ids, whole numbers from 0 to 255, separated by commas."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdigit() and int(part) <= 255 for part in parts):
        raise ValueError(f"class ids must be whole numbers from 0 to 255; got {text!r}")
    return tuple(map(int, parts))


def sheets(
    faces: Path = Option(Path("data/faces/wo"), help="image set of faces"),
    occluders: Path = Option(Path("data/occluders"), help="sets hands, objects and textures"),
    out: Path = Option(Path("sheets"), help="folder for the PNG files"),
    num: int = Option(24, min=1, help="samples on each sheet"),
    columns: int = Option(4, min=1, help="samples in a row"),
    thumb_px: int = Option(256, min=48, help="side of each picture in pixels"),
    objects: str = Option("fit", help="harmonised by fit, reinhard, mkl, rainnet:CHECKPOINT"),
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

    drawn = draw_sheets(
        faces, occluders, objects=objects, num=num, columns=columns, thumb_px=thumb_px
    )
    for name, sheet in drawn.items():
        atomic_write(out / f"{name}.png", sheet)
    typer.echo(f"{out}: {', '.join(sorted(drawn))}")


def align(
    photos: Path = Argument(..., help="folder of images: jpg, png, webp, tif, ..."),
    out: Path = Argument(..., help="new folder: images, masks, alignment.json"),
    masks: Path | None = Option(None, help="folder of face masks, named like their photographs"),
    landmarks: Path | None = Option(None, help="CSV or JSON of landmarks set by hand, see below"),
    size: int = Option(1024, min=16, help="side of the aligned images in pixels"),
    workers: Workers = None,
) -> None:
    """Cut the largest face out of every photograph and rotate it upright, as in FFHQ and CelebA-HQ.

    Faces are detected by dlib (pip install 'face-occlusion[align]'). Photographs without a
    detected face are listed in without_detection.txt; give the eyes and mouth corners of those
    with --landmarks, which replace detected ones: a CSV with the columns name, left_eye_x,
    left_eye_y, right_eye_x, right_eye_y, left_mouth_x, left_mouth_y, right_mouth_x, right_mouth_y
    (left as seen in the image), or a JSON {"name": [[x, y], ...]} with 4, 5, 29 or 68 points.
    alignment.json holds the transform from each aligned image back to its photograph.

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
    faces: Path = Argument(
        ..., help="image set of photographs, e.g. data/faces/wo, or a file that --pack wrote"
    ),
    cutouts: list[Path] | None = Argument(None, help="image sets of cut-outs"),
    out: Path = Option(Path("exports/rainnet.pth"), help="checkpoint to write"),
    size: int = Option(256, help="side of the training images, 256 or 512"),
    width: int = Option(64, help="channels after the first convolution; 64 as published"),
    iterations: int = Option(6000, help="training steps"),
    batch_size: int = Option(32, help="composites in a step"),
    learning_rate: float = Option(5e-4, help="initial learning rate of AdamW, decreasing to 0"),
    seed: int = Option(1, help="seed of weights and composites"),
    max_faces: int = Option(4096, min=2, help="largest number of photographs in memory"),
    num_held_out: int = Option(256, help="held-out composites to measure errors on"),
    device: str = Option("cpu", help="cpu, cuda, cuda:1, ..."),
    pack: Path | None = Option(None, help="do not train, write the images to this .npz file"),
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
    from face_occlusion.apps.rainnet.composites import read_images, save_images
    from face_occlusion.apps.rainnet.training import TrainingParams, error_table, train_rainnet
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
