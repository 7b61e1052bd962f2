import hashlib
import io
import pickle
from pathlib import Path

import pytest
import torch

from face_occlusion.networks.checkpoint import FORMAT, read_checkpoint, write_checkpoint


class Opens:
    """What a malicious pickle would do on loading."""

    def __reduce__(self):
        return (Path.touch, (Path("touched"),))


def whole(content: object) -> bytes:
    """What torch.save writes, and its hash behind it."""
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue() + hashlib.sha256(file.getvalue()).digest()


OTHERS = {
    "text": b"not a checkpoint",
    "empty": b"",
    "foreign": whole({"state_dict": {}})[:-32],
    "list": whole([1, 2]),
    "code": pickle.dumps(Opens()),
    "damaged": whole({"format": FORMAT, "model": {"w": torch.zeros(1000)}})[:700],
    "hostile": whole({"format": FORMAT, "model": Opens()}),  # runs code where pickles do
}


@pytest.mark.parametrize("kind", OTHERS)
def test_something_else_is_refused_by_name(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.pth"
    path.write_bytes(OTHERS[kind])
    with pytest.raises(ValueError, match=r"x\.pth: not a checkpoint") as caught:
        read_checkpoint(path)
    assert "weights_only" not in str(caught.value)  # no advice to run a pickle
    assert not (tmp_path / "touched").exists()


def test_roundtrip_leaves_no_partial_file(tmp_path: Path):
    path = tmp_path / "a.pth"
    write_checkpoint(path, {"model": {"w": torch.arange(3)}, "rows": [{"step": 1, "loss": 0.5}]})
    content = read_checkpoint(path)
    assert content["model"]["w"].tolist() == [0, 1, 2] and content["rows"][0]["loss"] == 0.5
    assert [file.name for file in tmp_path.iterdir()] == ["a.pth"]
