"""The command `face-occlusion`: everything that is done outside of `dvc repro`."""

import sys

import typer

from face_occlusion.apps.commands import faces, image_sets, networks, pipeline
from face_occlusion.core.files import expected_failures

PANELS = {
    "The pipeline": (
        pipeline.plan,
        pipeline.run,
        pipeline.profile,
        pipeline.fetch,
        pipeline.sample,
    ),
    "Image sets": (
        image_sets.look,
        image_sets.pack,
        image_sets.unpack,
        image_sets.verify,
        image_sets.card,
        image_sets.overlap,
        image_sets.audit,
    ),
    "Faces and occluders": (faces.occlude, faces.sheets, faces.align, faces.train_rainnet),
    "Trained networks": (networks.predict, networks.demo, networks.export, networks.score),
}

app = typer.Typer(
    help="Synthetic face occlusion. `dvc repro` runs the whole pipeline. These commands estimate "
    "what it will cost, spread it over several GPUs, show what it produced, occlude your own "
    "faces, and apply the trained networks. `face-occlusion COMMAND --help` explains a command "
    "and gives an example.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # rich's own markup would drop the "[align]" of an extra
)
for _panel, _commands in PANELS.items():
    for _command in _commands:
        app.command(_command.__name__.replace("_", "-"), rich_help_panel=_panel)(_command)


def main() -> None:
    """Run the command; bad input or a failing file system ends it with one line and status 1."""
    try:
        with expected_failures():
            app()
    except ModuleNotFoundError as error:
        if not error.name or error.name.startswith("face_occlusion"):
            raise
        print(
            f"ERROR: this command needs {error.name}: pip install 'face-occlusion[pipeline]', "
            "with torch's own build for this machine installed first",
            file=sys.stderr,
        )
        sys.exit(1)
