"""dvc.lock in the order that `dvc repro` gives it, whatever order the stages ended in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


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
