"""The command `face-occlusion`: everything that is done outside of `dvc repro`."""

import inspect
import sys

import typer

from face_occlusion.apps.commands import faces, image_sets, networks, pipeline
from face_occlusion.core.files import expected_failures

PANELS = {  # of `--help`; the commands are the public functions of each module, in its order
    "The pipeline": pipeline,
    "Image sets": image_sets,
    "Faces and occluders": faces,
    "Trained networks": networks,
}
EXTRAS = {"gradio": "demo", "onnx": "export", "onnxruntime": "export"}  # others: pipeline

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
for _panel, _module in PANELS.items():
    for _name, _command in vars(_module).items():
        if inspect.getmodule(_command) is _module and not _name.startswith("_"):
            app.command(_name.replace("_", "-"), rich_help_panel=_panel)(_command)


def main() -> None:
    """Run the command; bad input or a failing file system ends it with one line and status 1."""
    try:
        with expected_failures():
            app()
    except ModuleNotFoundError as error:
        if not error.name or error.name.startswith("face_occlusion"):
            raise
        install = f"pip install 'face-occlusion[{EXTRAS.get(error.name, 'pipeline')}]'"
        first = "" if error.name in EXTRAS else ", with torch's own build for this machine first"
        print(f"ERROR: this command needs {error.name}: {install}{first}", file=sys.stderr)
        sys.exit(1)
