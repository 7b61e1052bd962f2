"""`face-occlusion profile`: switch between the pipeline's sizes."""

from pathlib import Path
from typing import Annotated

import typer


def profile(
    name: Annotated[str, typer.Argument(help="miniature, small or paper")],
    force: Annotated[
        bool, typer.Option("--force", help="replace a params.yaml that was edited by hand")
    ] = False,
) -> None:
    """Write the parameters of a profile to params.yaml.

    The pipeline is the same in every profile; only its values differ. `dvc repro` then builds
    what the profile needs; switching back restores what was built before from DVC's cache.

    Example: face-occlusion profile small && dvc repro
    """
    from face_occlusion.apps.profiles import switch

    changed = switch(Path("profiles"), name, Path("params.yaml"), force=force)
    typer.echo(f"params.yaml {'now holds' if changed else 'already held'} the profile '{name}'")
