"""JSON objects, hashes of files and code, atomic files and folders."""

import errno
import re
from contextlib import nullcontext

import pytest
from tqdm import tqdm

from face_occlusion.core import files
from face_occlusion.core.files import (
    atomic_folder,
    atomic_path,
    atomic_write,
    code_sha256,
    expected_failures,
    import_closure,
    read_json,
)


def test_convention_text_is_utf8_with_its_own_line_ends(tmp_path):
    path = tmp_path / "new" / "a.b.csv"
    atomic_write(path, "é\r\nü\n")
    assert path.read_bytes() == b"\xc3\xa9\r\n\xc3\xbc\n"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_the_file_is_the_former_one_until_it_is_whole(tmp_path, error):
    path = tmp_path / "a.csv"
    atomic_write(path, b"former")
    with pytest.raises(error) if error else nullcontext(), atomic_path(path) as partial:
        assert partial.parent == path.parent  # one file system: a rename, not a copy
        partial.write_bytes(b"new")
        assert path.read_bytes() == b"former"
        if error:
            raise error
    assert path.read_bytes() == (b"former" if error else b"new")
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_appears_whole_after_what_a_killed_run_left_is_removed(tmp_path):
    left = tmp_path / "new.partial"
    left.mkdir()
    (left / "half").write_text("half")
    with atomic_folder(tmp_path / "new") as partial:
        (partial / "a").write_text("a")
        assert not (tmp_path / "new").exists()
    assert [path.name for path in tmp_path.rglob("*")] == ["new", "a"]


def test_an_error_leaves_no_folder_and_a_folder_in_use_is_kept(tmp_path):
    with pytest.raises(KeyboardInterrupt), atomic_folder(tmp_path / "new") as partial:
        (partial / "a").write_text("a")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(ValueError, match="not an empty folder"), atomic_folder(tmp_path):
        pass
    assert (tmp_path / "mine").read_text() == "mine"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": [1, 2', "not readable as JSON"),
        (b"", "not readable as JSON"),
        (b"\xff\xfe\x00", "not readable as JSON"),
        (b"[1]", "must be a JSON object; got list"),
        (b"3", "must be a JSON object; got int"),
        (None, "run `dvc repro`"),
    ],
)
def test_anything_else_is_refused_by_name(tmp_path, content, message):
    path = tmp_path / "a.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"a\.json: {message}"):
        read_json(path, "run `dvc repro`")


MODULES = {
    "face_occlusion/__init__.py": "",
    "face_occlusion/a.py": "from face_occlusion.b import c\nimport numpy\n",
    "face_occlusion/b/__init__.py": "",
    "face_occlusion/b/c.py": "def late():\n    from face_occlusion import d\n",
    "face_occlusion/d.py": "LEVEL = 1\n",
    "face_occlusion/unused.py": "",
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "ROOT", tmp_path)
    for name, text in MODULES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_the_closure_holds_packages_and_imports_inside_functions(project):
    found = [name.removeprefix("face_occlusion") for name in import_closure("face_occlusion.a")]
    assert found == ["", ".a", ".b", ".b.c", ".d"]


def test_the_hash_follows_what_is_reached_and_nothing_else(project):
    before = code_sha256("face_occlusion.a")
    (project / "face_occlusion/unused.py").write_text("# edited\n")
    assert code_sha256("face_occlusion.a") == before
    (project / "face_occlusion/d.py").write_text("LEVEL = 2\n")
    assert code_sha256("face_occlusion.a") != before


def test_a_name_that_is_no_module_is_refused():
    with pytest.raises(ValueError, match="numpy is not a module of face_occlusion"):
        code_sha256("numpy")


def test_an_error_of_an_open_file_is_described_without_its_name():
    described = files.describe(OSError(errno.EBADF, "Bad file descriptor", 99))
    assert described == "a file (the system does not say which): Bad file descriptor"


def test_a_link_that_leads_nowhere_is_described_as_one(tmp_path):
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

    with pytest.raises(SystemExit), expected_failures():
        fail()
    assert capsys.readouterr().err.endswith(
        "\nERROR: a.tar: No space left on device; free space on its disk and run again\n"
    )
