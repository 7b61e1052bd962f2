"""Find a run by its folder or its name, with its checkpoint and its scores."""

from __future__ import annotations

from pathlib import Path

from face_occlusion.core.files import file_sha256
from face_occlusion.evaluation.measures import summarise
from face_occlusion.evaluation.scores import read_scores

MODELS = Path("models")  # where the pipeline puts its runs
SCORES = Path("reports/scores")  # and their scores


def run_folder(run: Path) -> Path:
    """Return a run's folder from its path, or from its name in `models/`.

    Raises:
        ValueError: If there is no such run; lists the runs in `models/`.
    """
    for folder in (run, MODELS / run):
        if (folder / "config.json").is_file():
            return folder
    runs = sorted(path.parent.name for path in MODELS.glob("*/config.json"))
    known = (
        f"in {MODELS}: {', '.join(runs)}"
        if runs
        else f"{MODELS} holds none: `dvc repro` or `dvc pull`"
    )
    raise ValueError(f"{run}: not a run, which is a folder with config.json; {known}")


def checkpoint_hash(folder: Path, which: str) -> str:
    """Return the sha256 of a run's checkpoint, `last` or `best`.

    Raises:
        ValueError: If the run has no such checkpoint.
    """
    path = folder / f"{which}.pth"
    if not path.is_file():
        raise ValueError(f"{path}: no such file; {folder / 'card.json'} may say why")
    return file_sha256(path)


def mean_ious(run: str, which: str) -> dict[str, float]:
    """Return a run's pooled mean IoU by benchmark; empty if the run has not been evaluated.

    Raises:
        ValueError: If the score file is damaged.
    """
    path = SCORES / f"{run}.json"
    if not path.is_file():
        return {}
    scored = read_scores(path).benchmarks
    return {
        name: summarise(part.views[which])["miou"]
        for name, part in scored.items()
        if which in part.views
    }
