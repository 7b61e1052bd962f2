"""What `face-occlusion --help` tells, of every command."""

import re

import numpy as np
import pytest
import typer
from typer.core import TyperGroup
from typer.testing import CliRunner

from face_occlusion.apps.cli import app, main
from face_occlusion.core.images import encode_png

GROUP = typer.main.get_command(app)
assert isinstance(GROUP, TyperGroup)
COMMANDS = GROUP.commands


def squashed(text: str) -> str:
    """Drop spaces, frames and Markdown's quotes: what a terminal's width and style change."""
    return re.sub(r"[\s│`]", "", text)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_all_that_is_written(name: str):
    command = COMMANDS[name]
    shown = squashed(CliRunner().invoke(app, [name, "--help"]).stdout)
    for paragraph in (command.help or "").split("\n\n"):
        assert squashed(paragraph) in shown  # rich's own markup dropped "[align]"
    for parameter in command.params:
        assert squashed(getattr(parameter, "help", None) or "") in shown


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_gives_an_example_of_itself(name: str):
    text = COMMANDS[name].help or ""
    assert re.search(rf"Examples?:.*face-occlusion {name}\b", text, re.DOTALL)


def test_the_group_lists_every_command():
    shown = CliRunner().invoke(app, ["--help"]).stdout
    assert all(re.search(rf"│ {name} ", shown) for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_usage_marks_what_may_be_left_out_and_repeated_once(name: str):
    usage = re.search(r"Usage:.*", CliRunner().invoke(app, [name, "--help"]).stdout)
    assert usage is not None
    assert not any(twice in usage.group() for twice in ("[[", "...]", "...}"))


def test_what_the_file_system_refuses_ends_as_one_line(tmp_path, monkeypatch, capsys):
    for name in ("images/a.png", "masks/a.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(encode_png(np.eye(8, dtype=np.uint8)))
    (tmp_path / "file").write_text("in the way")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["face-occlusion", "pack", "images", "masks", "file/set"])
    with pytest.raises(SystemExit) as stopped:
        main()
    error = capsys.readouterr().err
    assert stopped.value.code == 1 and "ERROR: [Errno 20] Not a directory: " in error
    assert "Traceback" not in error


def test_a_device_is_checked_before_photographs_are_read(monkeypatch, capsys):
    call = ["face-occlusion", "train-rainnet", "no_faces", "no_cutouts", "--device", "cuda:99"]
    monkeypatch.setattr("sys.argv", call)
    with pytest.raises(SystemExit):
        main()
    assert "--device cuda:99 cannot be used" in capsys.readouterr().err
