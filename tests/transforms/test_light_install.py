"""The wheel alone, in an empty environment: `occlude`, the transforms, Albumentations."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from face_occlusion.core.images import straight_alpha
from tests.generation.drawn import draw_disc, draw_face

ROOT = Path(__file__).parents[2]
NOT_NEEDED = ("torch", "dvc", "mmseg", "mmcv", "mmengine", "pandas", "matplotlib")
ALONE = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def call(*command, status=0, within=ROOT):
    """Run a command without this checkout's code; return what it prints."""
    setting = {"cwd": within, "env": ALONE, "capture_output": True, "text": True}
    done = subprocess.run(command, check=False, **setting)
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


def pip(*words):
    return call(sys.executable, "-m", "pip", "--disable-pip-version-check", *words)


def install(folder, *names):
    """Compile nothing: most of it is never imported."""
    options = ["--no-compile", "-c", ROOT / "constraints.txt"]
    pip("--python", folder / "venv/bin/python", "install", "-q", *options, *names)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with an environment, `venv`, that holds the wheel alone."""
    folder = tmp_path_factory.mktemp("installed")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "face_occlusion", folder / "source/face_occlusion", ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "source")
    pip("wheel", "-q", "--no-deps", "-w", folder, folder / "source")
    call(sys.executable, "-m", "venv", "--without-pip", folder / "venv")
    install(folder, *folder.glob("*.whl"))
    return folder


@pytest.mark.slow
def test_the_wheel_occludes_a_folder_without_the_pipeline(installed):
    image, seg_map = draw_face()
    pictures = {"faces/a.png": image[..., ::-1], "masks/a.png": seg_map}
    pictures["cutouts/disc.png"] = cv2.cvtColor(straight_alpha(draw_disc()), cv2.COLOR_RGBA2BGRA)
    for name, pixels in pictures.items():
        (installed / name).parent.mkdir()
        cv2.imwrite(str(installed / name), pixels)
    program, python = installed / "venv/bin/face-occlusion", installed / "venv/bin/python"
    words = ("--faces", "faces", "--masks", "masks", "--occluders", "cutouts", "--out", "out")
    assert "out: 1 occluded faces" in call(program, "occlude", *words, within=installed)
    assert (installed / "out/images/a.jpg").is_file()
    names = f"\n{pip('--python', python, 'list', '--format=freeze')}"
    assert "\nface-occlusion==" in names.replace("_", "-")
    assert not [name for name in NOT_NEEDED if f"\n{name}==" in names]
    imported = "import sys, face_occlusion.transforms; print(*sys.modules)"
    assert not {*NOT_NEEDED, "ray"} & set(call(python, "-c", imported, within=installed).split())
    assert "occlude" in call(program, "--help", within=installed)
    refused = call(program, "plan", status=1, within=installed)
    assert "pip install 'face-occlusion[pipeline]'" in refused and "Traceback" not in refused


@pytest.mark.slow
def test_albumentations_beside_the_wheel(installed):
    install(installed, "albumentations==2.0.8", "pytest")
    words = ("-p", "no:cacheprovider", "-o", "addopts=", "tests/transforms/test_albumentations.py")
    assert "9 passed" in call(installed / "venv/bin/python", "-m", "pytest", *words)
