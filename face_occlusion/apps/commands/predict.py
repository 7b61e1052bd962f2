"""`face-occlusion predict`: masks of one's own photographs."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def predict(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="a run's folder, or its name in models/")
    ],
    photos: Annotated[
        list[Path], typer.Argument(metavar="PHOTO", help="image files, or folders of them")
    ],
    out: Annotated[Path, typer.Option(help="new folder for what is predicted")] = Path(
        "predictions"
    ),
    align: Annotated[
        bool,
        typer.Option(
            "--align",
            help="find the faces and look at their FFHQ squares alone (needs the extra "
            "`align`); where none is found the photo is seen whole",
        ),
    ] = False,
    tta: Annotated[
        bool, typer.Option("--tta", help="average 12 views: 6 scales and their mirror images")
    ] = False,
    which: Annotated[
        Literal["last", "best"],
        typer.Option(help="checkpoint: the last, or the one selected on RealOcc"),
    ] = "last",
    threshold: Annotated[float, typer.Option(help="probability from which a pixel is face")] = 0.5,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
) -> None:
    """Say what is face in photographs: masks, LabelMe files to correct, overlays and a page.

    Photographs may have any size and common format. A folder of thousands streams. What cannot
    be read is listed at the end, on the page and in predictions.csv; the rest is written. After
    Ctrl-C the same command goes on where it stopped.

    Example: face-occlusion predict segformer_c_wo_natocc holiday/ --align --out holiday_faces
    """
    from face_occlusion.apps.prediction.faces_in_photos import AlignedSegmenter
    from face_occlusion.apps.prediction.photos import find_photos
    from face_occlusion.apps.prediction.predict import PredictOptions, predict_photos
    from face_occlusion.apps.prediction.runs import checkpoint_hash, run_folder
    from face_occlusion.core.devices import check_device
    from face_occlusion.evaluation.inference import load_model

    found = find_photos(photos, out)
    check_device(device)
    folder = run_folder(run)
    segmenter = load_model(folder, device, which)
    options = PredictOptions(
        threshold=threshold,
        tta=tta,
        aligned=AlignedSegmenter(segmenter, segmenter.input_px) if align else None,
        network=f"{folder.resolve().name} {which}.pth {checkpoint_hash(folder, which)[:12]}",
    )
    try:
        results = predict_photos(segmenter, found, out, options)
    except KeyboardInterrupt:
        typer.echo(f"{out}: interrupted; the same command goes on from here", err=True)
        raise
    failed = [result.error for result in results if result.error]
    typer.echo(f"{out / 'index.html'}: {len(results) - len(failed)} photographs")
    if failed:
        raise ValueError(f"{len(failed)} photographs could not be read:\n" + "\n".join(failed))
