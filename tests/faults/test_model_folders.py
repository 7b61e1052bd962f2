"""The folder of a run from elsewhere: no code of it is run, and changed weights are refused."""

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from face_occlusion.apps.cli import app
from face_occlusion.core.files import file_sha256
from face_occlusion.evaluation.evaluate import load_checkpoints
from face_occlusion.evaluation.inference import load_model
from face_occlusion.networks.checkpoint import write_weights
from tests.apps.prediction.conftest import write_run
from tests.conftest import with_changes
from tests.core.imageset.conftest import flip
from tests.evaluation.conftest import PARAMS
from tests.tables import refuses, rows

SHAPES = rows(__file__, "hostile")
COMMANDS: dict[str, Callable[[Path], Any]] = {
    "load": load_model,
    "predict": lambda run: app(["predict", str(run), "a.png"], standalone_mode=False),
    "export": lambda run: app(["export", str(run)], standalone_mode=False),
    "evaluate": lambda run: load_checkpoints(run, replace(PARAMS, checkpoints=["last"])),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("made") / "run", "segformer")


@pytest.fixture
def run(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "evil.py").write_text("import pathlib\npathlib.Path('touched').touch()\n")
    (tmp_path / "a.png").write_bytes(b"not read: the network comes first")
    return Path(shutil.copytree(made, tmp_path / "run"))


def refused(command: str, run: Path) -> str:
    """Return the message that a command ends with; check that it ran nothing of the folder."""
    with pytest.raises(ValueError) as caught:
        COMMANDS[command](run)
    assert not Path("touched").exists() and "evil" not in sys.modules
    message = str(caught.value)
    assert "weights_only" not in message and "\n" not in message and len(message) < 500, message
    return message


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_only_known_types_and_keys_are_built(run: Path, shape: str, command: str):
    path = run / "config.json"
    path.write_text(json.dumps(with_changes(json.loads(path.read_text()), SHAPES[shape])))
    assert str(path) in refused(command, run)


def edited(change: Callable[[dict[str, torch.Tensor]], Any]) -> Callable[[Path], None]:
    """Change weights, and give the card the hash of what results, as an attacker would."""

    def edit(path: Path) -> None:
        state = load_file(path)
        change(state)
        save_file(state, path)
        rehash(path)

    return edit


def rehash(path: Path) -> None:
    card = json.loads((path.parent / "card.json").read_text())
    card["sha256"][path.name] = file_sha256(path)
    (path.parent / "card.json").write_text(json.dumps(card))


def pickled(path: Path) -> None:
    torch.save({"model": {}}, path)
    rehash(path)


NAME = "decode_head.conv_seg.bias"
CHANGES = {
    "a flipped bit": (lambda path: flip(path, path.stat().st_size // 2), "must have sha256"),
    "a pickle": (pickled, "not a safetensors file"),
    "a missing tensor": (edited(lambda state: state.pop(NAME)), rf"1 missing: \['{NAME}'"),
    "a foreign tensor": (edited(lambda s: s.update(x=torch.ones(1))), r"1 foreign: \['x'\]"),
    "not a number": (edited(lambda s: s[NAME].fill_(torch.nan)), rf"1 not finite: \['{NAME}'"),
    "infinity": (edited(lambda s: s[NAME].fill_(torch.inf)), rf"1 not finite: \['{NAME}'"),
    "another shape": (edited(lambda s: s.update({NAME: torch.ones(3)})), rf"1 of another.*{NAME}"),
    "another type": (edited(lambda s: s.update({NAME: s[NAME].half()})), rf"1 of another.*{NAME}"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_weights_are_refused_by_name(run: Path, change: str):
    damage, reason = CHANGES[change]
    damage(run / "last.safetensors")
    refuses(rf"last\.safetensors: .*{reason}", load_model, run)


def test_equal_weights_are_equal_bytes_whatever_their_order_and_layout(tmp_path: Path):
    state = {"b": torch.rand(2, 3, 4, 5), "a": torch.arange(3), "c": torch.rand(3).half()}
    reordered = {name: state[name] for name in "cab"}
    reordered["b"] = state["b"].to(memory_format=torch.channels_last)
    orders = enumerate((state, reordered) * 5)
    hashes = {write_weights(tmp_path / str(number), weights) for number, weights in orders}
    assert hashes == {file_sha256(tmp_path / "0")}
