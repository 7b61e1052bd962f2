"""dvc.lock and .gitignore as `dvc repro` writes them, whatever order the stages end in.

DVC appends to both whenever a stage ends. A .gitignore inside a folder that a stage reads is even
part of that folder's hash, so a different order of its lines would show in what follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def ignore_outputs(root: Path, serial: Sequence[str]) -> None:
    """Let git ignore the outputs of stages before they run, in the order of `dvc repro`.

    Args:
        root: The repository's root.
        serial: The stages that will run, in the order in which `dvc repro` runs them.

    Raises:
        ValueError: If git tracks an output.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(root), _wait_for_lock=True) as repo, repo.lock, repo.scm_context(quiet=True):
            stages = {stage.addressing: stage for stage in repo.index.stages}
            for out in (out for name in serial for out in stages[name].outs):
                if out.use_scm_ignore:
                    Path(out.fs_path).parent.mkdir(parents=True, exist_ok=True)
                out.ignore()
    except DvcException as error:
        raise ValueError(str(error)) from error


def locked_stages(root: Path) -> list[str]:
    """Return the stages in dvc.lock, in its order."""
    from dvc.utils.serialize import load_yaml

    path = root / "dvc.lock"
    return list(load_yaml(str(path)).get("stages", {})) if path.is_file() else []


def restore_order(root: Path, before: Sequence[str], serial: Sequence[str]) -> None:
    """Order dvc.lock as `dvc repro` would have: known stages stay, new ones follow as they run.

    Args:
        root: The repository's root.
        before: The stages that dvc.lock held at the start, in its order.
        serial: All stages in the order in which `dvc repro` runs them.
    """
    from dvc.repo import Repo
    from dvc.utils.serialize import dump_yaml, load_yaml

    path = root / "dvc.lock"
    with Repo(str(root), _wait_for_lock=True) as repo, repo.lock:
        if not path.is_file():
            return
        content = load_yaml(str(path))
        stages = content.get("stages", {})
        known = [*before, *(name for name in serial if name not in before)]
        order = [name for name in known if name in stages]
        order += [name for name in stages if name not in order]
        if order == list(stages):
            return
        content["stages"] = {name: stages[name] for name in order}
        aside = path.with_suffix(".lock.partial")
        dump_yaml(str(aside), content)
        aside.rename(path)
