import hashlib
import io
import pickle
from pathlib import Path

import pytest
import torch

from face_occlusion.networks.checkpoint import FORMAT, read_checkpoint, write_checkpoint


def test_roundtrip_leaves_no_partial_file(tmp_path: Path):
    path = tmp_path / "a.pth"
    write_checkpoint(path, {"model": {"w": torch.arange(3)}, "rows": [{"step": 1, "loss": 0.5}]})
    content = read_checkpoint(path)
    assert content["model"]["w"].tolist() == [0, 1, 2] and content["rows"][0]["loss"] == 0.5
    assert [file.name for file in tmp_path.iterdir()] == ["a.pth"]


class Opens:
    """What a malicious pickle would do on loading."""

    def __reduce__(self):
        return (Path.touch, (Path("touched"),))


def hostile(path: Path) -> None:
    """Write a checkpoint that is whole by its hash, and runs code where pickles do."""
    file = io.BytesIO()
    torch.save({"format": FORMAT, "model": Opens()}, file)
    path.write_bytes(file.getvalue() + hashlib.sha256(file.getvalue()).digest())


def damaged(path: Path) -> None:
    write_checkpoint(path, {"model": {"w": torch.zeros(1000)}})
    path.write_bytes(path.read_bytes()[:700])


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_text("not a checkpoint"),
        lambda path: path.write_bytes(b""),
        lambda path: torch.save({"state_dict": {}}, path),  # someone else's
        lambda path: torch.save([1, 2], path),
        lambda path: path.write_bytes(pickle.dumps(Opens())),
        damaged,
        hostile,
    ],
    ids=["text", "empty", "foreign", "list", "code", "damaged", "hostile"],
)
def test_something_else_is_refused_by_name(tmp_path, monkeypatch, write):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.pth"
    write(path)
    with pytest.raises(ValueError, match=r"x\.pth: not a checkpoint") as caught:
        read_checkpoint(path)
    assert "weights_only" not in str(caught.value)  # no advice to run a pickle
    assert not (tmp_path / "touched").exists()
    path.unlink()
    with pytest.raises(ValueError, match=r"x\.pth: no such checkpoint"):
        read_checkpoint(path)
