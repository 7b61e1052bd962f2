"""How long each stage took when its command last ran, kept for `face-occlusion plan`.

One small file a stage and profile in an undeclared folder: stages that run side by side never
write the same one, and DVC sees none of them.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from face_occlusion.core.params import read_yaml

FOLDER = Path(".scratch/timings")
STAGE_VARIABLE = "DVC_STAGE"  # DVC tells each command the name of its stage


def record_time(seconds: float) -> None:
    """Keep how long the stage that DVC is running took; without DVC nothing is kept."""
    if stage := os.environ.get(STAGE_VARIABLE):
        keep_time(Path(), stage, seconds)


def keep_time(root: Path, stage: str, seconds: float) -> None:
    """Keep how long a stage took in the profile in force.

    Args:
        root: The repository's root.
        stage: Its name.
        seconds: Of its command.
    """
    path = root / FOLDER / profile_of(root) / f"{stage.replace('/', '_')}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(f".{os.getpid()}.partial")
    aside.write_text(json.dumps({"stage": stage, "seconds": round(seconds, 2)}))
    aside.rename(path)


def profile_of(root: Path) -> str:
    """Return the profile in force, as params.yaml names it; `none` where it names none."""
    params = root / "params.yaml"
    return read_yaml(params).get("profile", "none") if params.is_file() else "none"


def read_times(root: Path) -> dict[str, float]:
    """Return the seconds of every stage that was recorded in the profile in force.

    Raises:
        ValueError: If a record is unreadable; names the file.
    """
    folder = root / FOLDER / profile_of(root)
    return dict(_read(path) for path in sorted(folder.glob("*.json")))


def _read(path: Path) -> tuple[str, float]:
    try:
        record: dict[str, Any] = json.loads(path.read_text())
        return record["stage"], float(record["seconds"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: not a recorded time; delete the file") from error
