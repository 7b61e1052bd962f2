"""`face-occlusion export`: a run as an ONNX file."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def export(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="a run's folder, or its name in models/")
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="file to write, NAME.onnx (default: RUN.onnx); its card is NAME.md"),
    ] = None,
    size: Annotated[
        tuple[int, int] | None,
        typer.Option(help="height and width of its input (default: the training's square)"),
    ] = None,
    batch: Annotated[int, typer.Option(help="images at once")] = 1,
    which: Annotated[
        Literal["last", "best"],
        typer.Option(help="checkpoint: the last, or the one selected on RealOcc"),
    ] = "last",
) -> None:
    """Write a run as ONNX with a model card, once it was compared with PyTorch.

    The file takes RGB bytes (N, H, W, 3) and gives the probability of face (N, H, W): scaling,
    normalisation and resizing back are inside. Nothing is written if a probability differs from
    PyTorch's by more than 0.001. Needs the extra `export`.

    Example: face-occlusion export segformer_c_wo_natocc --size 512 512
    """
    from face_occlusion.apps.prediction.export import export_onnx
    from face_occlusion.apps.prediction.model_card import model_card
    from face_occlusion.apps.prediction.runs import mean_ious, run_folder
    from face_occlusion.core.writing import write_aside
    from face_occlusion.evaluation.inference import load_model

    folder = run_folder(run)
    path = out or Path(f"{folder.resolve().name}.onnx")
    segmenter = load_model(folder, "cpu", which)
    side = segmenter.input_px
    exported = export_onnx(segmenter, path, size or (side, side), batch)
    scores = mean_ious(folder.resolve().name, which)
    card = model_card(folder, exported, which, side, scores)
    write_aside(path.with_suffix(".md"), card)
    typer.echo(
        f"{path}: {exported.num_bytes / 1e6:.1f} MB, largest difference from PyTorch's "
        f"probabilities {exported.difference:.1e}; {path.with_suffix('.md')}: its card"
    )
