"""The command `face-occlusion`: what users do beside `dvc repro`."""

import importlib
import sys

import typer

COMMANDS = (
    "plan",
    "run",
    "look",
    "pack",
    "unpack",
    "verify",
    "card",
    "overlap",
    "occlude",
    "sheets",
    "align",
    "train_rainnet",
    "profile",
    "fetch",
    "predict",
    "audit",
    "export",
)

app = typer.Typer(
    help="Synthetic face occlusion: look at image sets, occlude faces of your own, "
    "and switch the pipeline's profile. The pipeline itself runs with `dvc repro`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _command_group() -> None:
    """Keep subcommands even while there is one only."""


for _name in COMMANDS:
    _module = importlib.import_module(f"face_occlusion.commands.{_name}")
    app.command(_name.replace("_", "-"))(getattr(_module, _name))


def main() -> None:
    """Run the command; a bad input ends as one line on stderr and exit status 1."""
    try:
        app()
    except ValueError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        sys.exit(1)
