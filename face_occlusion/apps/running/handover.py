"""Exchange stages' results with other machines through a DVC remote.

`python -m face_occlusion.apps.running.handover send STAGE REMOTE` pushes what a stage reads and
notes the dvc.lock that names it; `... fetch STAGE REMOTE` takes the stage's results from the
remote's run cache, where the machine that ran it left them, as `dvc repro` takes them from the
local one.
Processes of their own, since each waits for DVC's lock.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dvc.stage import Stage as DvcStage

NOTES = Path(".scratch/handover")


def note_path(root: Path, stage: str) -> Path:
    """Return where `send` leaves the dvc.lock that goes with a stage's inputs."""
    return root / NOTES / f"{stage.replace('/', '_')}.lock"


def send(root: Path, stage: str, remote: str) -> None:
    """Push the outputs that a stage reads, and copy dvc.lock while nobody writes it."""
    from dvc.repo import Repo

    with Repo(str(root), _wait_for_lock=True) as repo:
        (reader,) = repo.stage.collect(stage)
        upstream = sorted(needed.addressing for needed in repo.index.graph.successors(reader))
        if upstream:
            repo.push(upstream, remote=remote)
        note = note_path(root, stage)
        note.parent.mkdir(parents=True, exist_ok=True)
        note.unlink(missing_ok=True)
        with repo.lock:
            if (root / "dvc.lock").is_file():
                shutil.copyfile(root / "dvc.lock", note)


def fetch(root: Path, stage: str, remote: str) -> None:
    """Take a stage's results from the remote's run cache, and record them in dvc.lock.

    Raises:
        ValueError: If the remote has none that belong to the stage's inputs as they are here.
    """
    from dvc.repo import Repo
    from dvc.stage.cache import RunCacheNotFoundError

    config = {"core": {"remote": remote}}
    with Repo(str(root), config=config, _wait_for_lock=True) as repo:
        with repo.lock:
            repo.stage_cache.pull(remote)
            (wanted,) = repo.stage.collect(stage)
            _forget_results(wanted)
            try:
                repo.stage_cache.restore(wanted, pull=True)
            except RunCacheNotFoundError as error:
                raise ValueError(
                    f"remote '{remote}' has no result of {stage} for its inputs as they are here"
                ) from error
        repo.reproduce(stage, single_item=True)  # pyright: ignore[reportArgumentType]  # decorated


def _forget_results(stage: DvcStage) -> None:
    """Let DVC look for the results in the run cache, not in dvc.lock. In memory only."""
    from dvc_data.hashfile.hash_info import HashInfo

    for out in stage.outs:
        out.hash_info = HashInfo()


if __name__ == "__main__":
    action, stage_name, remote_name = sys.argv[1:]
    try:
        {"send": send, "fetch": fetch}[action](Path.cwd(), stage_name, remote_name)
    except ValueError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        sys.exit(1)
