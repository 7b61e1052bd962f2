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


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Run a command of an environment that holds the wheel; return what it prints."""
    folder = tmp_path_factory.mktemp("installed")
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    python = folder / "venv/bin/python"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "face_occlusion", folder / "source/face_occlusion", ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "source")

    def pip(*words):
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *words]
        done = subprocess.run(command, check=True, env=alone, stdout=subprocess.PIPE, text=True)
        return done.stdout

    def install(*names):
        """Compile nothing: most of it is never imported."""
        options = ["--no-compile", "-c", ROOT / "constraints.txt"]
        pip("--python", python, "install", "-q", *options, *names)

    pip("wheel", "-q", "--no-deps", "-w", folder, folder / "source")
    venv = [sys.executable, "-m", "venv", "--without-pip", folder / "venv"]
    subprocess.run(venv, check=True, env=alone)
    install(*folder.glob("*.whl"))

    def run(*command, status=0, within=folder):
        command = [folder / "venv/bin" / command[0], *command[1:]]
        done = subprocess.run(
            command, cwd=within, capture_output=True, text=True, check=False, env=alone
        )
        assert done.returncode == status, done.stderr
        return done.stdout + done.stderr

    run.folder, run.install = folder, install
    run.packages = lambda: pip("--python", python, "list", "--format=freeze")
    return run


@pytest.mark.slow
def test_the_wheel_occludes_a_folder_without_the_pipeline(installed):
    image, seg_map = draw_face()
    pictures = {"faces/a.png": image[..., ::-1], "masks/a.png": seg_map}
    pictures["cutouts/disc.png"] = cv2.cvtColor(straight_alpha(draw_disc()), cv2.COLOR_RGBA2BGRA)
    for name, pixels in pictures.items():
        (installed.folder / name).parent.mkdir()
        cv2.imwrite(str(installed.folder / name), pixels)
    words = ("--faces", "faces", "--masks", "masks", "--occluders", "cutouts", "--out", "out")
    assert "out: 1 occluded faces" in installed("face-occlusion", "occlude", *words)
    assert (installed.folder / "out/images/a.jpg").is_file()
    names = f"\n{installed.packages()}"
    assert "\nface-occlusion==" in names.replace("_", "-")
    assert not [name for name in NOT_NEEDED if f"\n{name}==" in names]
    imported = "import sys, face_occlusion.transforms; print(*sys.modules)"
    assert not {*NOT_NEEDED, "ray"} & set(installed("python", "-c", imported).split())
    assert "occlude" in installed("face-occlusion", "--help")
    refused = installed("face-occlusion", "plan", status=1)
    assert "pip install 'face-occlusion[pipeline]'" in refused and "Traceback" not in refused


@pytest.mark.slow
def test_albumentations_beside_the_wheel(installed):
    installed.install("albumentations==2.0.8", "pytest")
    words = ("-p", "no:cacheprovider", "-o", "addopts=", "tests/transforms/test_albumentations.py")
    assert "9 passed" in installed("python", "-m", "pytest", *words, within=ROOT)
