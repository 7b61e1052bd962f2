import pytest

from face_occlusion.core import fingerprint
from face_occlusion.core.fingerprint import code_sha256, import_closure

FILES = {
    "face_occlusion/__init__.py": "",
    "face_occlusion/a.py": "from face_occlusion.b import c\nimport numpy\n",
    "face_occlusion/b/__init__.py": "",
    "face_occlusion/b/c.py": "def late():\n    from face_occlusion import d\n",
    "face_occlusion/d.py": "LEVEL = 1\n",
    "face_occlusion/unused.py": "",
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setattr(fingerprint, "ROOT", tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_the_closure_holds_packages_and_imports_inside_functions(project):
    assert [name.removeprefix("face_occlusion") for name in import_closure("face_occlusion.a")] == [
        "",
        ".a",
        ".b",
        ".b.c",
        ".d",
    ]


def test_the_hash_follows_what_is_reached_and_nothing_else(project):
    before = code_sha256("face_occlusion.a")
    (project / "face_occlusion/unused.py").write_text("# edited\n")
    assert code_sha256("face_occlusion.a") == before
    (project / "face_occlusion/d.py").write_text("LEVEL = 2\n")
    assert code_sha256("face_occlusion.a") != before


def test_a_name_that_is_no_module_is_refused():
    with pytest.raises(ValueError, match="numpy is not a module of face_occlusion"):
        code_sha256("numpy")
