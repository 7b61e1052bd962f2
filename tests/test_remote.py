"""A lab's shared remote, as docs/data.md says: DVC's own command line on a small pipeline.

The remote is a folder: DVC verifies one in S3 by the same code and the same default.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.slow

DVC = str(Path(sys.executable).with_name("dvc"))
CONFIG = """
[core]
    remote = lab
['remote "lab"']
    url = %s
    verify = true
"""


def run(folder, *command, fails=False):
    """Run a command with no one's own settings."""
    environment = {"HOME": str(folder), "GIT_CONFIG_GLOBAL": os.devnull, "DVC_NO_ANALYTICS": "1"}
    environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    options = {"capture_output": True, "text": True, "timeout": 120}
    done = subprocess.run(command, cwd=folder, env=environment, **options)
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The clone of whoever built the pipeline and pushed it, run cache included."""
    folder = tmp_path_factory.mktemp("builder")
    shutil.copy(ROOT / "tests" / "remote.yaml", folder / "dvc.yaml")
    (folder / "value.txt").write_text("one")
    run(folder, "git", "init", "-q")
    run(folder, DVC, "init", "-q")
    (folder / ".dvc" / "config").write_text(CONFIG % tmp_path_factory.mktemp("lab"))
    run(folder, DVC, "repro", "-q")
    run(folder, "git", "add", "-A")
    identity = ("git", "-c", "user.name=t", "-c", "user.email=t@example.org")
    run(folder, *identity, "commit", "-q", "-m", "x")
    run(folder, *identity, "tag", "-a", "network@v1.0.0", "-m", "x")
    run(folder, DVC, "push", "-q", "--run-cache")
    return folder


@pytest.fixture
def clone(built, tmp_path):
    run(tmp_path, "git", "clone", "-q", str(built), "clone")
    return tmp_path / "clone"


def test_a_clone_gets_the_report_alone_or_everything_and_runs_nothing(built, clone, tmp_path):
    run(clone, DVC, "pull", "-q", "reports")
    assert (clone / "reports/figures/a.txt").is_file() and not (clone / "data/set").exists()
    run(clone, DVC, "pull", "-q", "--run-cache")
    assert "Running stage" not in run(clone, DVC, "repro")
    for name in ("reports/index.html", "reports/figures/a.txt", "data/set/0.txt"):
        assert (clone / name).read_bytes() == (built / name).read_bytes()
    run(tmp_path, DVC, "artifacts", "get", "-q", str(built), "network")
    assert (tmp_path / "set/0.txt").read_text() == "one"


def test_a_tampered_object_is_refused_where_the_remote_is_verified(built, clone):
    name, remote = "reports/index.html", run(built, DVC, "config", "remote.lab.url").strip()
    content = (built / name).read_bytes()
    objects = [path for path in Path(remote).rglob("*") if path.is_file()]
    (tampered,) = (path for path in objects if path.read_bytes() == content)
    tampered.unlink()
    tampered.write_bytes(forged := b"X" + content[1:])
    tampered.chmod(0o444)  # what may be written, DVC hashes in any case
    assert "failed" in run(clone, DVC, "pull", name, fails=True).lower()
    assert not (clone / name).exists()
    tampered.unlink(missing_ok=True)
    tampered.write_bytes(forged)
    tampered.chmod(0o444)
    run(clone, DVC, "remote", "modify", "-q", "lab", "verify", "false")
    run(clone, DVC, "pull", name)  # why `verify` is in the documentation: DVC takes the forgery
    assert (clone / name).read_bytes() == forged
