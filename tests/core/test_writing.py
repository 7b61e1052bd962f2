"""Files that are there whole or not at all."""

from pathlib import Path

import pytest

from face_occlusion.core.writing import file_aside, write_aside


def test_convention_text_is_utf8_with_its_own_line_ends(tmp_path: Path):
    path = tmp_path / "new" / "a.b.csv"
    write_aside(path, "é\r\nü\n")
    assert path.read_bytes() == b"\xc3\xa9\r\n\xc3\xbc\n"
    assert list(path.parent.iterdir()) == [path]


def test_the_file_is_the_former_one_until_it_is_whole(tmp_path: Path):
    path = tmp_path / "a.csv"
    write_aside(path, b"former")
    with file_aside(path) as partial:
        assert partial.parent == path.parent  # one file system: a rename, not a copy
        partial.write_bytes(b"new")
        assert path.read_bytes() == b"former"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_former_file_and_nothing_aside(
    tmp_path: Path, error: type[BaseException]
):
    path = tmp_path / "a.csv"
    write_aside(path, b"former")
    with pytest.raises(error), file_aside(path) as partial:
        partial.write_bytes(b"ne")
        raise error
    assert path.read_bytes() == b"former"
    assert list(tmp_path.iterdir()) == [path]
