"""A lab's shared remote: a real S3 server on loopback, DVC's own command line, a small pipeline.

It has a report, cached outputs, and stages that leave a trace whenever they run.
"""

import os
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.conftest import ROOT

pytestmark = pytest.mark.slow

BUCKET = "lab"
DVC = [str(Path(sys.executable).with_name("dvc"))]

STAGE = """
import os, sys
from pathlib import Path
Path(os.environ["TRACE"]).open("a").write("ran\\n")
value = Path("value.txt").read_text()
(out := Path("data/set")).mkdir(parents=True)
for number in range(3):
    (out / f"{number}.txt").write_text(value * 200 + str(number))
"""

REPORT = """
import os
from pathlib import Path
Path(os.environ["TRACE"]).open("a").write("ran\\n")
Path("reports/figures").mkdir(parents=True)
Path("reports/figures/a.txt").write_text("figure of " + Path("data/set/0.txt").read_text())
Path("reports/index.html").write_text("<html>" + Path("data/set/1.txt").read_text())
"""

PIPELINE = """
stages:
  make:
    cmd: python make.py
    deps: [make.py, value.txt]
    outs: [data/set]
  reports:
    cmd: python report.py
    deps: [report.py, data/set]
    outs: [reports/figures, reports/index.html]
artifacts:
  network: {path: data/set, type: model}
"""
IDENTITY = ("-c", "user.name=t", "-c", "user.email=t@example.org")


CONFIG = f"""
[core]
    remote = lab
[cache]
    type = "reflink,hardlink,symlink,copy"
['remote "lab"']
    url = s3://{BUCKET}/tiny
    endpointurl = {{endpoint}}
    verify = true
"""  # as docs/data.md tells a lab


@pytest.fixture(scope="module")
def endpoint():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def environment(tmp_path_factory, bucket):
    """The environment of every command: no credentials but the test's, no one's own settings."""
    home = tmp_path_factory.mktemp("home")
    return {
        "HOME": str(home),
        "TRACE": str(home / "trace"),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "DVC_NO_ANALYTICS": "1",
        "PYTHONPATH": str(ROOT),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "OMP_NUM_THREADS": "1",
    }


@pytest.fixture(scope="module")
def bucket(endpoint):
    secrets = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    options = {"region_name": "us-east-1", "endpoint_url": endpoint}
    made = boto3.resource("s3", **options, **secrets).Bucket(BUCKET)
    made.create()
    return made


def run(folder, environment, *command, fails=False):
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stdout + done.stderr


def traces(environment):
    trace = Path(environment["TRACE"])
    return trace.read_text().count("ran") if trace.is_file() else 0


def clone(origin, folder, environment):
    run(origin.parent, environment, "git", "clone", "-q", str(origin), str(folder))
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory, environment, endpoint):
    """The clone of whoever built the pipeline and pushed it, run cache included."""
    folder = tmp_path_factory.mktemp("lab") / "builder"
    folder.mkdir()
    (folder / "make.py").write_text(STAGE)
    (folder / "report.py").write_text(REPORT)
    (folder / "dvc.yaml").write_text(PIPELINE)
    (folder / "value.txt").write_text("one")
    run(folder, environment, "git", "init", "-q")
    run(folder, environment, *DVC, "init", "-q")
    (folder / ".dvc" / "config").write_text(CONFIG.format(endpoint=endpoint))
    run(folder, environment, *DVC, "repro", "-q")
    run(folder, environment, "git", "add", "-A")
    run(folder, environment, "git", *IDENTITY, "commit", "-q", "-m", "x")
    run(folder, environment, *DVC, "push", "-q", "--run-cache")
    return folder


def test_a_second_clone_restores_the_report_without_running_anything(built, tmp_path, environment):
    other, before = clone(built, tmp_path / "other", environment), traces(environment)
    run(other, environment, *DVC, "pull", "-q", "--run-cache")
    said = run(other, environment, *DVC, "repro")
    assert traces(environment) == before
    assert "Running stage" not in said
    for name in ("reports/index.html", "reports/figures/a.txt", "data/set/2.txt"):
        assert (other / name).read_bytes() == (built / name).read_bytes()


@pytest.mark.parametrize("targets", [["reports/index.html", "reports/figures"], ["reports"]])
def test_a_reader_pulls_the_report_alone(built, tmp_path, environment, targets):
    other = clone(built, tmp_path / "other", environment)
    run(other, environment, *DVC, "pull", "-q", *targets)
    assert (other / "reports/index.html").is_file() and (other / "reports/figures/a.txt").is_file()
    assert not (other / "data/set").exists()


def test_a_version_that_was_published_is_downloaded_by_its_name(built, tmp_path, environment):
    tag = ("tag", "-a", "network@v1.0.0", "-m", "as docs/data.md says")
    run(built, environment, "git", *IDENTITY, *tag)
    run(tmp_path, environment, *DVC, "artifacts", "get", "-q", str(built), "network")
    assert (tmp_path / "set/2.txt").read_bytes() == (built / "data/set/2.txt").read_bytes()


def test_the_run_cache_brings_a_variant_that_is_in_no_commit(built, tmp_path, environment):
    """Somebody else tries the value that the builder tried: nothing runs."""
    variant = clone(built, tmp_path / "variant", environment)
    (variant / "value.txt").write_text("two")
    run(variant, environment, *DVC, "repro", "-q")
    run(variant, environment, *DVC, "push", "-q", "--run-cache")
    other, before = clone(built, tmp_path / "other", environment), traces(environment)
    (other / "value.txt").write_text("two")
    run(other, environment, *DVC, "pull", "-q", "--run-cache")
    run(other, environment, *DVC, "repro", "-q", "--pull")
    assert traces(environment) == before
    assert (other / "data/set/0.txt").read_text().startswith("twotwo")


def tamper(bucket, size):
    """Change a byte of the object of that size on the remote; return it and what it was."""
    for entry in bucket.objects.filter(Prefix="tiny/files"):
        if entry.size == size:
            content = entry.get()["Body"].read()
            entry.Object().put(Body=b"X" + content[1:])
            return entry.Object(), content
    raise AssertionError(f"no object of {size} bytes")


@pytest.mark.parametrize("verify", [True, False])
def test_a_tampered_object_is_refused_where_the_remote_is_verified(
    built, tmp_path, environment, bucket, verify
):
    report = built / "reports/index.html"
    tampered, content = tamper(bucket, report.stat().st_size)
    other = clone(built, tmp_path / "other", environment)
    if not verify:
        run(other, environment, *DVC, "remote", "modify", "-q", "lab", "verify", "false")
    try:
        said = run(other, environment, *DVC, "pull", "reports/index.html", fails=verify)
    finally:
        tampered.put(Body=content)
    if verify:
        assert "failed" in said.lower()
        assert not (other / "reports/index.html").exists()
    else:  # why `verify` is in the documentation: DVC takes the forgery
        assert (other / "reports/index.html").read_bytes() == b"X" + content[1:]
