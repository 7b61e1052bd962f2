"""Commands about trained networks: apply them to photographs, try them, export them."""

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


def demo(
    runs: Annotated[
        list[Path],
        Argument(metavar="RUN", help="one or two runs: their folders, or their names in models/"),
    ],
    occluders: Annotated[
        Path, Option(help="folder of the occluder sets hands, objects, textures")
    ] = Path("data/occluders"),
    which: Which = "last",
    device: Annotated[str, Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    host: Annotated[
        str, Option(help="address to listen on; 0.0.0.0 lets other machines in, unasked")
    ] = "127.0.0.1",
    port: Annotated[
        int | None, Option(help="port to listen on (default: the first free one from 7860)")
    ] = None,
) -> None:
    """Try one network, or two side by side, on photographs in the browser.

    Drop a photograph, paste it, take it with the webcam, or click on a drawn face. The page shows
    the overlay, the mask, the cut-out or the confidence under a slider, with the photograph or the
    second run on its other side; masks, cut-outs and LabelMe files can be downloaded. It puts a
    hand, an object or a shape of the pipeline before the face and says how the networks cope.
    Nothing is asked of any other machine, and what was uploaded is deleted at the end (Ctrl-C).
    Needs the extra `demo`, and `align` to find faces in photographs with much around them.

    Example: face-occlusion demo segformer_c_wo segformer_c_wo_natocc
    """
    import importlib.util
    import tempfile

    if importlib.util.find_spec("gradio") is None:
        raise ValueError("demo needs gradio; install it with pip install 'face-occlusion[demo]'")
    from face_occlusion.alignment.landmarks import LandmarkDetector
    from face_occlusion.apps.demo.analysis import Analyser, draw_examples
    from face_occlusion.apps.demo.page import build_page, launch
    from face_occlusion.apps.prediction.inputs import drawings_note, run_folder
    from face_occlusion.evaluation.inference import load_model
    from face_occlusion.networks.devices import check_device

    if len(runs) > 2:
        raise ValueError(f"demo shows one or two runs; got {len(runs)}")
    check_device(device)
    folders, networks = [run_folder(run) for run in runs], {}
    for folder in folders:
        name = folder.resolve().name
        networks[f"{name}_2" if name in networks else name] = load_model(folder, device, which)
    try:
        detector = LandmarkDetector()
    except ValueError as error:  # the extra is missing; photographs are then predicted whole
        detector = None
        typer.echo(f"faces cannot be looked for: {error}")
    if note := drawings_note(folders):
        typer.echo(note)
    with tempfile.TemporaryDirectory(prefix="face-occlusion-") as scratch:
        typer.echo("drawing the examples: a few seconds")
        examples = draw_examples(Path(scratch))
        analyser = Analyser(networks, occluders, detector)
        page = build_page(analyser, Path(scratch), examples, note)
        typer.echo(f"{launch(page, host, port)}  open this in a browser; Ctrl-C ends it")
        page.block_thread()


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
