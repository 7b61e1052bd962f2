"""`face-occlusion audit`: masks that are probably wrong."""

from pathlib import Path
from typing import Annotated

import typer


def audit(
    image_set: Annotated[Path, typer.Argument(metavar="SET", help="image set of faces")],
    out: Annotated[Path, typer.Option(help="new folder for page and LabelMe project")] = Path(
        "audit"
    ),
    part: Annotated[
        str, typer.Option(help="whose masks: png, or original.png for those before correcting")
    ] = "png",
    reference: Annotated[
        list[Path] | None,
        typer.Option(help="set of faces with good masks to learn from; may be repeated"),
    ] = None,
    num: Annotated[int, typer.Option(help="how many masks to show")] = 100,
    folds: Annotated[
        int,
        typer.Option(help="networks, each judging what it has not seen; 1: references alone train"),
    ] = 3,
    iterations: Annotated[int, typer.Option(help="steps of each network, 16 faces a step")] = 900,
    seed: Annotated[int, typer.Option(help="the same seed gives the same ranking")] = 0,
) -> None:
    """Rank masks that probably call something face that is none, worst first.

    A small network learns from the other masks of the set, and from references, and disputes.
    OUT gets index.html to look through, audit.csv with all scores, and labelme/ to correct in.
    Where most masks of a set are suspicious, let references alone teach: --folds 1.

    Example: face-occlusion audit data/faces/o --part original.png --folds 1
    --reference data/faces/wo --reference data/sets/natocc_hand --reference data/sets/randocc_1
    """
    from face_occlusion.apps.auditing.audit import audit_masks
    from face_occlusion.apps.auditing.crossvalidation import AuditParams

    params = AuditParams(folds=folds, iterations=iterations, seed=seed)
    findings = audit_masks(image_set, out, params, part=part, references=reference or [], num=num)
    shown = min(num, len(findings))
    typer.echo(f"{out / 'index.html'}: {shown} of {len(findings)} masks, worst first")
