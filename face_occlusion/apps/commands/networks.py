"""Commands about trained networks: apply one to photographs, and export it."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from typer import Argument, Option

Run = Annotated[Path, Argument(metavar="RUN", help="a run's folder, or its name in models/")]
Which = Annotated[
    Literal["last", "best"], Option(help="checkpoint: the last one, or the one selected on RealOcc")
]


def predict(
    run: Run,
    photos: Annotated[
        list[Path], Argument(metavar="PHOTO", help="image files, or folders of them")
    ],
    out: Annotated[Path, Option(help="new folder for the predictions")] = Path("predictions"),
    align: Annotated[
        bool,
        Option(
            "--align",
            help="detect the faces and predict each in its FFHQ square (needs the extra "
            "`align`); a photo without a detected face is predicted whole",
        ),
    ] = False,
    compare: Annotated[
        Path | None,
        Option(metavar="RUN", help="a second run, whose masks are written and shown next to these"),
    ] = None,
    tta: Annotated[
        bool, Option("--tta", help="average 12 views: 6 scales and their mirror images")
    ] = False,
    which: Which = "last",
    threshold: Annotated[float, Option(help="probability from which a pixel is face")] = 0.5,
    device: Annotated[str, Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
) -> None:
    """Segment the visible face in photographs.

    Writes masks, LabelMe files for corrections, overlays, and a page on which masks are
    corrected.
    Photographs may have any size and common format, and folders may hold thousands. Files that
    cannot be read are listed at the end, on the page and in predictions.csv; all others are
    predicted. After Ctrl-C the same command resumes where it stopped.

    Example: face-occlusion predict segformer_c_wo_natocc holiday/ --align --out holiday_faces
    """
    from face_occlusion.alignment.landmarks import LandmarkDetector
    from face_occlusion.apps.prediction import predict as prediction
    from face_occlusion.apps.prediction.inputs import (
        checkpoint_hash,
        drawings_note,
        find_photos,
        run_folder,
    )
    from face_occlusion.evaluation.inference import load_model
    from face_occlusion.networks.devices import check_device

    found = find_photos(photos, out)
    check_device(device)
    folders = [run_folder(path) for path in (run, compare) if path]
    segmenter, *others = [load_model(folder, device, which) for folder in folders]
    network, *other_networks = [
        f"{folder.resolve().name} {which} {checkpoint_hash(folder, which)[:12]}"
        for folder in folders
    ]
    note = drawings_note(folders)
    options = prediction.PredictOptions(
        threshold=threshold,
        tta=tta,
        detector=LandmarkDetector() if align else None,
        network=network,
        other=others[0] if others else None,
        other_network=other_networks[0] if others else "",
        note=note,
    )
    try:
        results = prediction.predict_photos(segmenter, found, out, options)
    except KeyboardInterrupt:
        typer.echo(f"{out}: interrupted; the same command resumes from here", err=True)
        raise
    failed = [result.error for result in results if result.error]
    typer.echo(f"{out / 'index.html'}: {len(results) - len(failed)} photographs")
    if note:
        typer.echo(note)
    if failed:
        raise ValueError(f"{len(failed)} photographs could not be read:\n" + "\n".join(failed))


def export(
    run: Run,
    out: Annotated[
        Path | None,
        Option(help="file to write, NAME.onnx (default: RUN.onnx); its card is NAME.md"),
    ] = None,
    size: Annotated[
        tuple[int, int] | None,
        Option(help="height and width of its input (default: the training's square)"),
    ] = None,
    batch: Annotated[int, Option(help="images in one call")] = 1,
    which: Which = "last",
) -> None:
    """Write a run as an ONNX file with a model card.

    The file takes RGB bytes (N, H, W, 3) and gives the probability of face (N, H, W): scaling,
    normalisation and resizing are part of it. Its output is compared with PyTorch's first, and
    nothing is written if a probability differs by more than 0.001. Needs the extra `export`.

    Example: face-occlusion export segformer_c_wo_natocc --size 512 512
    """
    from face_occlusion.apps.prediction.export import export_onnx, model_card
    from face_occlusion.apps.prediction.inputs import mean_ious, run_folder
    from face_occlusion.core.files import atomic_write
    from face_occlusion.evaluation.inference import load_model

    folder = run_folder(run)
    path = out or Path(f"{folder.resolve().name}.onnx")
    segmenter = load_model(folder, "cpu", which)
    side = segmenter.input_px
    exported = export_onnx(segmenter, path, size or (side, side), batch)
    scores = mean_ious(folder.resolve().name, which)
    card = model_card(folder, exported, which, side, scores)
    atomic_write(path.with_suffix(".md"), card)
    typer.echo(
        f"{path}: {exported.num_bytes / 1e6:.1f} MB, largest difference from PyTorch's "
        f"probabilities {exported.difference:.1e}; {path.with_suffix('.md')}: its card"
    )
