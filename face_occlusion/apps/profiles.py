"""Compose a profile: the paper's parameters, overridden by the profile's own values."""

import io
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from face_occlusion.core.files import atomic_write
from face_occlusion.core.params import read_yaml

BASE = "paper"
OPEN = (": runs.", ": combinations.")  # to which a profile may add: seeds, rows beyond the paper


def profile_names(folder: Path) -> list[str]:
    """List the profiles in a folder, sorted by name."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def compose(folder: Path, name: str) -> str:
    """Return the text of a profile's complete params.yaml, with the comments of `paper.yaml`.

    `paper.yaml` in the folder of profiles holds every key, the others only what they change, and
    further runs and combinations. Another key, or no such profile, is a ValueError.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder; run from the repository's root")
    if name not in (known := profile_names(folder)):
        raise ValueError(f"profile: no profile '{name}' in {folder}; known: {', '.join(known)}")
    yaml = YAML()
    yaml.width = 4096
    yaml.preserve_quotes = True
    path = folder / f"{name}.yaml"
    for one in (folder / f"{BASE}.yaml", path):
        if not isinstance(read_yaml(one) or {}, Mapping):
            raise ValueError(f"{one}: must be a mapping; got {read_yaml(one)!r}")
    params = yaml.load((folder / f"{BASE}.yaml").read_text())
    if name != BASE:
        _override(params, yaml.load(path.read_text()) or {}, f"{path}: ")
    text = io.StringIO()
    yaml.dump(params, text)
    return text.getvalue()


def switch(folder: Path, name: str, target: Path, *, force: bool = False) -> bool:
    """Write a profile of a folder to a parameter file, and return whether the file changed.

    Without `force` it is a ValueError if `target` was edited by hand: changes would be lost.
    """
    text = compose(folder, name)
    if target.is_file():
        plain, current = YAML(typ="safe"), read_yaml(target)
        if current == plain.load(text):
            return False
        profiles = (compose(folder, known) for known in profile_names(folder))
        if not force and all(current != plain.load(profile) for profile in profiles):
            raise ValueError(
                f"{target} differs from every profile in {folder}: switching would lose your "
                "changes; keep them (git commit, or copy the file), then use --force "
                "(make profile NAME=... FORCE=1)"
            )
    atomic_write(target, text)
    return True


def _override(params: MutableMapping[str, Any], changes: Mapping[str, Any], where: str) -> None:
    for key, value in changes.items():
        if key not in params and not where.endswith(OPEN):
            raise ValueError(f"{where}unknown key '{key}'; known: {', '.join(map(str, params))}")
        if isinstance(value, Mapping) and isinstance(params.get(key), MutableMapping):
            _override(params[key], value, f"{where}{key}.")
        else:
            params[key] = value
