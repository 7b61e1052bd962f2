"""Commands about trained networks: apply them to photographs, try, export, score them."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Literal

import typer
from typer import Argument, Option

Run = Annotated[Path, Argument(metavar="RUN", help="a run's folder, or its name in models/")]
Which = Annotated[
    Literal["last", "best"], Option(help="checkpoint: the last one, or the one selected on RealOcc")
]
PARAMS = Path("params.yaml")
EXPORTS = Path("exports")  # which git ignores


def predict(
    run: Run,
    photos: list[Path] = Argument(..., metavar="PHOTO", help="image files, or folders of them"),
    out: Path = Option(Path("predictions"), help="new folder for the predictions"),
    align: bool = Option(
        False,
        "--align",
        help="detect the faces and predict each in its FFHQ square (needs the extra "
        "`align`); a photo without a detected face is predicted whole",
    ),
    compare: Path | None = Option(
        None, metavar="RUN", help="a second run, whose masks are written and shown next to these"
    ),
    tta: bool = Option(False, "--tta", help="average 12 views: 6 scales and their mirror images"),
    which: Which = "last",
    threshold: float = Option(0.5, help="probability from which a pixel is face"),
    device: str = Option("auto", help="auto, cpu, cuda, cuda:1, ..."),
) -> None:
    """Segment the visible face in photographs.

    Writes masks, overlays, LabelMe files, and a page on which you correct the masks. Photographs
    may have any size and common format, and folders may hold thousands. Files that cannot be
    read are listed at the end, on the page and in predictions.csv; all others are predicted.
    After Ctrl-C the same command resumes where it stopped.

    Example: face-occlusion predict segformer_c_wo_natocc holiday/ --align --out holiday_faces
    """
    from face_occlusion.alignment.landmarks import LandmarkDetector
    from face_occlusion.apps.folders import FACE_IS_WHITE
    from face_occlusion.apps.prediction import inputs
    from face_occlusion.apps.prediction.predict import PredictOptions, predict_photos
    from face_occlusion.evaluation.inference import load_model
    from face_occlusion.networks.devices import check_device

    found = inputs.find_photos(photos, out)
    check_device(device)
    folders = [inputs.run_folder(path) for path in (run, compare) if path]
    segmenter, *others = [load_model(folder, device, which) for folder in folders]
    note = inputs.drawings_note(folders)
    options = PredictOptions(
        threshold=threshold,
        tta=tta,
        detector=LandmarkDetector() if align else None,
        networks=[inputs.identify(folder, which) for folder in folders],
        other=others[0] if others else None,
        note=note,
    )
    try:
        results = predict_photos(segmenter, found, out, options)
    except KeyboardInterrupt:
        typer.echo(f"{out}: interrupted; the same command resumes from here", err=True)
        raise
    failed = [result.error for result in results if result.error]
    read = len(results) - len(failed)
    typer.echo(f"{out / 'index.html'}: {read} photographs; masks/: {FACE_IS_WHITE}")
    if note:
        typer.echo(note)
    if failed:
        raise ValueError(f"{len(failed)} photographs could not be read:\n" + "\n".join(failed))


def demo(
    runs: list[Path] = Argument(
        ..., metavar="RUN", help="one or two runs: their folders, or their names in models/"
    ),
    occluders: Path = Option(Path("data/occluders"), help="sets hands, objects and textures"),
    which: Which = "last",
    device: str = Option("auto", help="auto, cpu, cuda, cuda:1, ..."),
    host: str = Option(
        "127.0.0.1", help="address to listen on; 0.0.0.0 lets other machines in, without a password"
    ),
    port: int | None = Option(None, help="port to listen on (default: the first free from 7860)"),
) -> None:
    """Try one network, or two side by side, on photographs in the browser.

    Drop a photograph, paste it, take it with the webcam, or click on a drawn face. The page shows
    the overlay, the mask, the cut-out or the confidence under a slider, with the photograph or the
    second run on its other side; masks, cut-outs and LabelMe files can be downloaded. It puts a
    hand, an object or a shape of the pipeline in front of the face and compares the predictions.
    No other machine is contacted, and uploads are deleted at the end (Ctrl-C). Needs the extra
    `demo`, and `align` to find small faces in photographs.

    Example: face-occlusion demo segformer_c_wo segformer_c_wo_natocc
    """
    import tempfile

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
        typer.echo(f"faces cannot be detected: {error}")
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
    to: Literal["onnx", "mmseg"] = Option(
        "onnx", help="an ONNX file, or a config and a checkpoint of MMSegmentation 1.x"
    ),
    out: Path | None = Option(None, "--out", "-o", help="file (default: exports/RUN.onnx or .py)"),
    size: tuple[int, int] | None = Option(
        None, help="ONNX: fix height and width (default: any; with --batch, the training's square)"
    ),
    batch: int | None = Option(
        None, min=1, help="ONNX: images in a call (default: any; with --size, 1)"
    ),
    which: Which = "last",
) -> None:
    """Write a run as an ONNX file with a model card, or for MMSegmentation.

    The ONNX file takes RGB bytes (N, H, W, 3) and gives the probability of face (N, H, W): scaling,
    normalisation and resizing are part of it. It takes any N, H and W unless --size or --batch fix
    all three. NAME.md is its card, NAME.yaml describes it to `face-occlusion score`. Needs the
    extra `export`.

    For MMSegmentation, NAME.py is a stock config to test and to train with, and NAME.pth its
    checkpoint. Neither needs this package, unless the backbone is an EfficientNet-Lite, which
    MMSegmentation lacks. docs/mmsegmentation.md shows both.

    Nothing is written if a probability (ONNX) or a logit (MMSegmentation) differs from the run's by
    more than 0.0001.

    Example: face-occlusion export segformer_c_wo_natocc

    Example: face-occlusion export segformer_c_wo_natocc --to mmseg
    """
    from face_occlusion.apps.prediction.inputs import run_folder
    from face_occlusion.core.files import atomic_write
    from face_occlusion.evaluation.inference import load_model

    folder = run_folder(run)
    name = folder.resolve().name
    segmenter = load_model(folder, "cpu", which)
    if to == "mmseg":
        from face_occlusion.apps.prediction.mmseg import export_mmseg

        if size or batch:
            raise ValueError("--size and --batch are for ONNX; a config takes images of any size")
        path = out or EXPORTS / f"{name}.py"
        difference = export_mmseg(folder, segmenter, path)
        typer.echo(f"{path}, {path.with_suffix('.pth')}: logits differ by {difference:.1e} at most")
        return
    from face_occlusion.apps.prediction.export import describe_export, export_onnx, model_card

    path = out or EXPORTS / f"{name}.onnx"
    side = segmenter.input_px
    size_px = size or (side, side)
    fixed = None if size is None and batch is None else (1 if batch is None else batch, *size_px)
    difference = export_onnx(segmenter, path, fixed)
    card = model_card(folder, which, path, fixed, difference, side)
    atomic_write(path.with_suffix(".md"), card)
    atomic_write(path.with_suffix(".yaml"), describe_export(folder, size_px))
    typer.echo(
        f"{path}: {path.stat().st_size / 1e6:.1f} MB, largest difference from PyTorch's "
        f"probabilities {difference:.1e}; {path.with_suffix('.md')}: its card"
    )


Counts = Literal["face", "background", "unknown"]
Triple = tuple[float, float, float] | None


def score(
    ctx: typer.Context,
    model: Path = Argument(..., metavar="MODEL", help="ONNX file of a segmentation network"),
    spec: Path | None = Option(
        None, help="YAML with the options below as keys (default: MODEL.yaml, if there is one)"
    ),
    title: str | None = Option(None, help="name in the report; required"),
    licence: str | None = Option(None, help="licence of its weights; required"),
    trained_on: str | None = Option(None, help="what it was trained on"),
    hair: Counts | None = Option(
        None, metavar="KIND", help="its labels count hair as face, background or unknown"
    ),
    glasses: Counts | None = Option(None, metavar="KIND", help="likewise glasses"),
    ears: Counts | None = Option(None, metavar="KIND", help="likewise ears"),
    size: tuple[int, int] | None = Option(None, help="input's height and width, if not fixed"),
    keep_aspect: bool | None = Option(
        None, help="keep the aspect of images, or stretch them to the size (default: stretch)"
    ),
    channels: Literal["rgb", "bgr"] | None = Option(None, help="their order (default: rgb)"),
    divide_by: float | None = Option(
        None, help="levels 0-255 become (level / divide_by - mean) / std; usually 255"
    ),
    mean: Triple = Option(None, metavar="R G B", help="see --divide-by (default: 0 0 0)"),
    std: Triple = Option(None, metavar="R G B", help="see --divide-by (default: 1 1 1)"),
    output: str | None = Option(None, help="output to read (default: the first)"),
    values: Literal["logits", "probabilities", "labels"] | None = Option(
        None, metavar="KIND", help="logits (default), probabilities or labels"
    ),
    face: list[int] | None = Option(
        None, metavar="ID", help="class id of face; may be repeated (default: 1, the one channel)"
    ),
    benchmarks: Path = Option(Path("data/benchmarks"), help="folder of the benchmarks' image sets"),
    out: Path = Option(Path("reports/other"), help="folder for the score file, MODEL.json"),
) -> None:
    """Score somebody else's network on the benchmarks, for the report's table "Other networks".

    The benchmarks are those of `evaluate` in params.yaml, and the measures and the file those of
    the pipeline's own runs. Images are resized to the network's input, and its output is resized
    back to the image's own size. Pixels are face where the classes named by --face are together
    more probable than all others. Options override the YAML. The next `dvc repro reports` shows
    the table. docs/other-networks.md has YAML for common face parsers. Needs the extra `export`.

    Example: face-occlusion score bisenet.onnx --title BiSeNet --licence MIT --size 512 512
    --divide-by 255 --mean 0.485 0.456 0.406 --std 0.229 0.224 0.225 --face 1 --face 10

    Example: face-occlusion score exports/segformer_c_wo_natocc.onnx
    """
    from face_occlusion.apps.prediction.scoring import NetworkSpec, score_network
    from face_occlusion.core.params import build, load_params, read_section, read_yaml
    from face_occlusion.evaluation.evaluate import EvaluateParams
    from face_occlusion.evaluation.measures import summarise
    from face_occlusion.evaluation.scores import write_scores

    beside = model.with_suffix(".yaml")
    described = spec or (beside if beside.is_file() else None)
    keys = {field.name for field in fields(NetworkSpec)}
    given = {key: ctx.params[key] for key in keys if ctx.params[key] not in (None, [], ())}
    read = (read_yaml(described) or {}) if described else {}
    described_by = {**read, **given} if isinstance(read, dict) else read
    network = build(str(described or "options"), described_by, NetworkSpec)
    params = load_params(PARAMS, "evaluate", EvaluateParams)
    params = replace(params, checkpoints=["last"], tta=False, preview_px=0)
    folders = {name: benchmarks / name for name in params.benchmarks}
    scores = score_network(model, network, folders, params, read_section(PARAMS, "profile"))
    for name, part in scores.benchmarks.items():
        if part.absent is None:
            found = summarise(part.views["last"])
            typer.echo(
                f"{name}: mIoU {100 * found['miou']:.2f}, boundary IoU "
                f"{100 * found['boundary_iou']:.2f}, {len(part.images)} images"
            )
        else:
            typer.echo(f"{name}: {part.absent}")
    path = out / f"{model.stem}.json"
    write_scores(path, scores)
    typer.echo(f"{path}: `dvc repro reports` shows it")
