"""JSON objects, hashes of files and code, atomic files and folders."""

import errno
import re
from contextlib import nullcontext

import pytest
from tqdm import tqdm

from face_occlusion.core import files
from tests.tables import refuses


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_the_file_is_the_former_one_until_it_is_whole(tmp_path, error):
    path = tmp_path / "new" / "a.b.csv"
    files.atomic_write(path, b"former")
    with pytest.raises(error) if error else nullcontext(), files.atomic_path(path) as partial:
        assert partial.parent == path.parent  # one file system: a rename, not a copy
        partial.write_bytes(b"new")
        assert path.read_bytes() == b"former"
        if error:
            raise error
    assert path.read_bytes() == (b"former" if error else b"new")
    files.atomic_write(path, "é\r\nü\n")  # UTF-8 with its own line ends
    assert path.read_bytes() == b"\xc3\xa9\r\n\xc3\xbc\n"
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_appears_whole_or_not_at_all_and_one_in_use_is_kept(tmp_path):
    new, left = tmp_path / "new", tmp_path / "new.partial"  # by a killed run
    left.mkdir()
    (left / "half").write_text("half")
    with pytest.raises(KeyboardInterrupt), files.atomic_folder(new) as partial:
        assert not list(partial.iterdir())
        (partial / "a").write_text("a")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())
    with files.atomic_folder(new) as partial:
        (partial / "a").write_text("a")
        assert not new.exists()
    with pytest.raises(ValueError, match="not an empty folder"), files.atomic_folder(new):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["new", "a"]


def test_what_is_no_json_object_is_refused_by_name(tmp_path):
    path = tmp_path / "a.json"
    refuses(r"a\.json: run `dvc repro`", files.read_json, path, "run `dvc repro`")
    for content, message in (
        *((damaged, "not readable as JSON") for damaged in (b'{"a": [1, 2', b"", b"\xff\xfe\x00")),
        *((other, "must be a JSON object; got (list|int)") for other in (b"[1]", b"3")),
    ):
        path.write_bytes(content)
        refuses(rf"a\.json: {message}", files.read_json, path, "run `dvc repro`")


MODULES = {"a.py": "from face_occlusion.b import c\nimport numpy\n", "d.py": "LEVEL = 1\n"}
MODULES |= {"b/c.py": "def late():\n    from face_occlusion import d\n"}
MODULES |= dict.fromkeys(("__init__.py", "b/__init__.py", "unused.py"), "")


def test_the_hash_follows_packages_and_imports_inside_functions_and_nothing_else(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(files, "ROOT", tmp_path)
    package = tmp_path / "face_occlusion"
    (package / "b").mkdir(parents=True)
    for name, text in MODULES.items():
        (package / name).write_text(text)
    found = list(files.import_closure("face_occlusion.a"))
    assert found == [f"face_occlusion{name}" for name in ("", ".a", ".b", ".b.c", ".d")]
    before = files.code_sha256("face_occlusion.a")
    (package / "unused.py").write_text("# edited\n")
    assert files.code_sha256("face_occlusion.a") == before
    (package / "d.py").write_text("LEVEL = 2\n")
    assert files.code_sha256("face_occlusion.a") != before
    refuses("numpy is not a module of face_occlusion", files.code_sha256, "numpy")


def test_errors_of_files_are_described(tmp_path):
    described = files.describe(OSError(errno.EBADF, "Bad file descriptor", 99))
    assert described == "a file (the system does not say which): Bad file descriptor"
    (tmp_path / "a.jpg").symlink_to("nowhere.jpg")
    for name, reason in {"a.jpg": "; it is a link that leads nowhere.*", "b.jpg": ""}.items():
        with pytest.raises(OSError) as caught:
            (tmp_path / name).read_bytes()
        described = files.describe(caught.value)
        assert re.fullmatch(rf".*{name}: No such file or directory{reason}", described)


def test_the_error_is_the_last_line_also_where_a_progress_bar_is_not_at_its_end(capsys):
    def bar():
        with tqdm(total=2):
            yield "a.tar"

    def fail():
        items = bar()
        raise OSError(errno.ENOSPC, "No space left on device", next(items))

    with pytest.raises(SystemExit), files.expected_failures():
        fail()
    assert capsys.readouterr().err.endswith(
        "\nERROR: a.tar: No space left on device; free space on its disk and run again\n"
    )
