"""JSON objects in files."""

from pathlib import Path

import pytest

from face_occlusion.core.json_files import read_json

REFUSED = {
    "cut short": (b'{"a": [1, 2', "not readable as JSON"),
    "empty": (b"", "not readable as JSON"),
    "no text": (b"\xff\xfe\x00", "not readable as JSON"),
    "a list": (b"[1]", "must be a JSON object; got list"),
    "a number": (b"3", "must be a JSON object; got int"),
}


def test_an_object_is_read_as_utf8(tmp_path: Path):
    path = tmp_path / "a.json"
    path.write_bytes('{"é": [1, 2.5, null]}'.encode())
    assert read_json(path) == {"é": [1, 2.5, None]}


@pytest.mark.parametrize(("content", "message"), REFUSED.values(), ids=REFUSED)
def test_anything_else_is_refused_by_name(tmp_path: Path, content: bytes, message: str):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"a\.json: {message}"):
        read_json(path)


def test_what_is_missing_is_told_with_what_writes_it(tmp_path: Path):
    with pytest.raises(ValueError, match=r"a\.json: no such file$"):
        read_json(tmp_path / "a.json")
    with pytest.raises(ValueError, match=r"a\.json: run `dvc repro`"):
        read_json(tmp_path / "a.json", "run `dvc repro`")
