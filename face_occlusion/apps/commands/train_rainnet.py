"""`face-occlusion train-rainnet`: a harmonisation network of one's own."""

from pathlib import Path
from typing import Annotated

import typer


def train_rainnet(
    faces: Annotated[Path, typer.Argument(help="image set of photographs, e.g. data/faces/wo")],
    cutouts: Annotated[
        list[Path], typer.Argument(help="image sets of cut-outs, e.g. data/occluders/objects")
    ],
    out: Annotated[Path, typer.Option(help="checkpoint to write")] = Path("rainnet.pth"),
    size: Annotated[int, typer.Option(help="side of the training images, 256 or 512")] = 256,
    width: Annotated[
        int, typer.Option(help="channels after the first convolution; 64 as published")
    ] = 64,
    iterations: Annotated[int, typer.Option(help="training steps")] = 6000,
    batch_size: Annotated[int, typer.Option(help="composites in a step")] = 32,
    learning_rate: Annotated[float, typer.Option(help="AdamW's, falling to 0")] = 5e-4,
    seed: Annotated[int, typer.Option(help="seed of weights and composites")] = 1,
    max_faces: Annotated[int, typer.Option(help="photographs held in memory at most")] = 4096,
    num_held_out: Annotated[int, typer.Option(help="composites to measure on")] = 256,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ...")] = "cpu",
    pack: Annotated[
        Path | None,
        typer.Option(help="write the images here for another machine instead of training"),
    ] = None,
) -> None:
    """Train RainNet to harmonise cut-outs with photographs.

    Composites are made from the sets: a foreground is recoloured and the network learns to undo
    it. One image in eight is held out; at the end the colour error on composites of those is
    printed for the input, for MKL and Reinhard statistics at their best strengths, and for the
    network. The checkpoint has the published network's format; use it as
    `harmonisation: {method: "rainnet:rainnet.pth"}` in params.yaml. A card (JSON) beside it says
    what it was trained on.

    With a GPU elsewhere: `--pack images.npz` here, then there
    `python -m face_occlusion.generation.harmonisation images.npz rainnet.pth`.

    Example: face-occlusion train-rainnet data/faces/wo data/occluders/objects
    """
    from face_occlusion.apps.rainnet.training import TrainingParams, error_table, train_rainnet
    from face_occlusion.apps.rainnet.training_images import collect_images, save_images
    from face_occlusion.core.devices import check_device
    from face_occlusion.core.imageset import ImageSet
    from face_occlusion.generation.harmonisation.rainnet import check_side

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
    images = collect_images(
        ImageSet(faces), [ImageSet(folder) for folder in cutouts], size, max_faces
    )
    if pack is not None:
        save_images(images, pack)
        typer.echo(f"{len(images.faces)} photographs and {len(images.cutouts)} cut-outs in {pack}")
        return
    typer.echo(error_table(train_rainnet(images, out, params, device)))
