"""What `face-occlusion --help` tells, of every command."""

import re

import pytest
import typer
from typer.core import TyperGroup
from typer.testing import CliRunner

from face_occlusion.cli import app

GROUP = typer.main.get_command(app)
assert isinstance(GROUP, TyperGroup)


def squashed(text: str) -> str:
    """Drop spaces, frames and Markdown's quotes: what a terminal's width and style change."""
    return re.sub(r"[\s│`]", "", text)


@pytest.mark.parametrize("name", GROUP.commands)
def test_help_shows_all_that_is_written(name: str):
    command = GROUP.commands[name]
    shown = squashed(CliRunner().invoke(app, [name, "--help"]).stdout)
    for paragraph in (command.help or "").split("\n\n"):
        assert squashed(paragraph) in shown  # rich's own markup dropped "[align]"
    for parameter in command.params:
        assert squashed(getattr(parameter, "help", None) or "") in shown


@pytest.mark.parametrize("name", GROUP.commands)
def test_every_command_gives_an_example_of_itself(name: str):
    text = GROUP.commands[name].help or ""
    assert re.search(rf"Examples?:.*face-occlusion {name}\b", text, re.DOTALL)


def test_the_group_lists_every_command():
    shown = CliRunner().invoke(app, ["--help"]).stdout
    assert all(re.search(rf"│ {name} ", shown) for name in GROUP.commands)
