"""The command `face-occlusion`: what users do beside `dvc repro`."""

import importlib
import sys

import typer

COMMANDS = {
    "The pipeline": ("plan", "run", "profile", "fetch"),
    "Image sets": ("look", "pack", "unpack", "verify", "card", "overlap", "audit"),
    "Faces and occluders": ("occlude", "sheets", "align", "train_rainnet"),
    "Trained networks": ("predict", "export"),
}

app = typer.Typer(
    help="Synthetic face occlusion. `dvc repro` runs the whole pipeline; these commands say what "
    "it would cost and spread it over GPUs, look into what it made, occlude faces of your own, and "
    "put its networks to use. `face-occlusion COMMAND --help` gives an example of each.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # its own takes face-occlusion[align] for a style, and drops it
)


@app.callback()
def _command_group() -> None:
    """Keep subcommands even while there is one only."""


for _panel, _names in COMMANDS.items():
    for _name in _names:
        _module = importlib.import_module(f"face_occlusion.apps.commands.{_name}")
        app.command(_name.replace("_", "-"), rich_help_panel=_panel)(getattr(_module, _name))


def main() -> None:
    """Run it; bad input, and what the file system refuses, end as one line and exit status 1."""
    try:
        app()
    except (ValueError, OSError) as error:  # OSError: no space, no permission, a file in the way
        print(f"ERROR: {error}", file=sys.stderr)
        sys.exit(1)
