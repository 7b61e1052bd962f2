"""A lab's shared remote, as docs/data.md says: DVC's own command line on a small pipeline.

The remote is a folder: DVC verifies one in S3 by the same code and the same default.
"""

import shutil
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.programs import call

pytestmark = pytest.mark.slow


def run(folder, *command, fails=False):
    return call(folder, *command, fails=fails, HOME=str(folder))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The clone of whoever built the pipeline and pushed it, run cache included."""
    folder = tmp_path_factory.mktemp("builder")
    shutil.copy(ROOT / "tests" / "remote.yaml", folder / "dvc.yaml")
    (folder / "value.txt").write_text("one")
    run(folder, "git", "init", "-q")
    run(folder, "dvc", "init", "-q")
    run(folder, "dvc", "remote", "add", "-q", "-d", "lab", str(tmp_path_factory.mktemp("lab")))
    run(folder, "dvc", "remote", "modify", "-q", "lab", "verify", "true")
    run(folder, "dvc", "repro", "-q")
    run(folder, "git", "add", "-A")
    run(folder, "git", "commit", "-q", "-m", "x")
    run(folder, "git", "tag", "-a", "network@v1.0.0", "-m", "x")
    run(folder, "dvc", "push", "-q", "--run-cache")
    return folder


@pytest.fixture
def clone(built, tmp_path):
    run(tmp_path, "git", "clone", "-q", str(built), "clone")
    return tmp_path / "clone"


def test_a_clone_gets_the_report_alone_or_everything_and_runs_nothing(built, clone, tmp_path):
    run(clone, "dvc", "pull", "-q", "reports")
    assert (clone / "reports/figures/a.txt").is_file() and not (clone / "data/set").exists()
    run(clone, "dvc", "pull", "-q", "--run-cache")
    assert "Running stage" not in run(clone, "dvc", "repro")
    for name in ("reports/index.html", "reports/figures/a.txt", "data/set/0.txt"):
        assert (clone / name).read_bytes() == (built / name).read_bytes()
    run(tmp_path, "dvc", "artifacts", "get", "-q", str(built), "network")
    assert (tmp_path / "set/0.txt").read_text() == "one"


def test_a_tampered_object_is_refused_where_the_remote_is_verified(built, clone):
    name, remote = "reports/index.html", run(built, "dvc", "config", "remote.lab.url").strip()
    content = (built / name).read_bytes()
    objects = [path for path in Path(remote).rglob("*") if path.is_file()]
    (tampered,) = (path for path in objects if path.read_bytes() == content)
    tampered.unlink()
    tampered.write_bytes(forged := b"X" + content[1:])
    tampered.chmod(0o444)  # what may be written, DVC hashes in any case
    assert "failed" in run(clone, "dvc", "pull", name, fails=True).lower()
    assert not (clone / name).exists()
    tampered.unlink(missing_ok=True)
    tampered.write_bytes(forged)
    tampered.chmod(0o444)
    run(clone, "dvc", "remote", "modify", "-q", "lab", "verify", "false")
    run(clone, "dvc", "pull", name)  # why `verify` is in the documentation: DVC takes the forgery
    assert (clone / name).read_bytes() == forged
