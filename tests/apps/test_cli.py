"""What `face-occlusion --help` tells of every command, and how an error ends."""

import re
import subprocess

import pytest
import typer
from typer.core import TyperGroup
from typer.testing import CliRunner

from face_occlusion.apps.cli import app
from tests.conftest import ROOT

GROUP = typer.main.get_command(app)
assert isinstance(GROUP, TyperGroup)
COMMANDS = GROUP.commands


def squashed(text: str) -> str:
    """Drop spaces, frames and Markdown's quotes: what a terminal's width and style change."""
    return re.sub(r"[\s│`]", "", text)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_all_that_is_written_with_an_example_and_the_usage(name: str):
    assert re.search(rf"│ {name} ", CliRunner().invoke(app, ["--help"]).stdout)
    command = COMMANDS[name]
    shown = CliRunner().invoke(app, [name, "--help"]).stdout
    text = command.help or ""
    options = [getattr(parameter, "help", None) or "" for parameter in command.params]
    for paragraph in [*text.split("\n\n"), *options]:
        assert squashed(paragraph) in squashed(shown)  # rich's own markup dropped "[align]"
    assert re.search(rf"Examples?:.*face-occlusion {name}\b", text, re.DOTALL)
    usage = re.search(r"Usage:.*", shown)
    assert usage is not None  # optional and repeated arguments are marked once
    assert not any(twice in usage.group() for twice in ("[[", "...]", "...}"))


def test_git_ignores_what_is_written_without_being_told_where():
    """Also where a name decides: `exports/RUN.onnx`, `sheets/SET.png` of `look`."""
    parameters = [parameter for command in COMMANDS.values() for parameter in command.params]
    outs = [parameter.default for parameter in parameters if parameter.name == "out"]
    defaults = [f"{out}/" for out in outs if out is not None]
    assert {"predictions/", "sheets/"} <= set(defaults)
    kept = {"reports/other/"}  # which the report reads, and a project may commit
    call = ["git", "check-ignore", "--stdin"]
    asked = "\n".join([*defaults, "exports/"])
    ignored = subprocess.run(call, cwd=ROOT, input=asked, capture_output=True, text=True)
    assert set(defaults) - set(ignored.stdout.split()) == kept and "exports/" in ignored.stdout
