"""What commands refuse of their options and of files: test_refusals.yaml lists it."""

import os
import shlex
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import numpy as np
import pytest
from PIL import Image

from face_occlusion.core.images import straight_alpha
from face_occlusion.core.imageset import write_image_set
from tests.apps.auditing.faces import face_set
from tests.apps.pictures import save
from tests.apps.prediction.conftest import write_run
from tests.conftest import once
from tests.core.imageset.conftest import INFO, flip
from tests.generation.drawn import draw_disc, draw_face
from tests.tables import rows


def write_tree(folder: Path) -> None:
    """Write photographs with masks, a cut-out, landmarks, image sets and a run."""
    for number, name in enumerate(("a.jpg", "b.png")):
        image, mask = draw_face(number, (120, 100))
        save(folder / "photos" / name, image)
        save(folder / "masks" / f"{name[0]}.png", mask)
    save(folder / "objects/disc.png", straight_alpha(draw_disc(20)))
    (folder / "eyes.json").write_text('{"a": [[40, 50], [60, 50], [42, 80], [58, 80]]}')
    face_set(folder / "faces", 4, set())
    face_set(folder / "damaged", 4, set())
    flip(folder / "damaged/000000.tar", 600)
    write_image_set(folder / "unreadable", [("a", {"png": b"none"})], info=INFO)
    write_image_set(folder / "absent", [], info=INFO | {"absent": "no COFW here"})
    write_run(folder / "models/mine", "segformer")


@pytest.fixture(scope="session")
def written(tmp_path_factory) -> Path:
    return once(tmp_path_factory, "refusals", write_tree)


@pytest.fixture
def tree(written, tmp_path, monkeypatch) -> Path:
    """The files of `write_tree` in the current folder, each to be replaced, not changed."""
    shutil.copytree(written, tmp_path, copy_function=os.link, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def replace(path: Path, content: Any) -> None:
    """Put text, a link or a picture, described as `Image.new` takes it, or nothing in a place."""
    path.unlink(missing_ok=True)
    if isinstance(content, str):
        path.write_text(content)
    elif isinstance(content, dict) and "link" in content:
        path.symlink_to(content["link"])
    elif content is not None:
        about = {key: tuple(value) if key != "mode" else value for key, value in content.items()}
        Image.fromarray(np.asarray(Image.new(**about))).save(path)


def listed(tree: Path) -> dict[Path, int]:
    """Return all files and folders with the times at which they were changed."""
    return {path: path.lstat().st_mtime_ns for path in tree.rglob("*")}


@pytest.mark.parametrize(
    ("call", "files", "said"),
    [
        (f"{call} {options}", files, said)
        for call, cases in rows(__file__, "refused").items()
        for options, files, said in cases
    ],
)
def test_one_line_names_what_is_wrong_and_nothing_is_written(tree, invoke, call, files, said):
    for name, content in files.items():
        replace(tree / os.fsdecode(unquote_to_bytes(name)), content)
    before = listed(tree)
    printed = invoke(*shlex.split(call), status=1)
    (line,) = [line for line in printed.splitlines() if "ERROR" in line]
    assert said in line
    assert listed(tree) == before
