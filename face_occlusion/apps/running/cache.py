"""Find files in DVC's cache that no longer match their hashes, which DVC does not check.

Workspace and cache share files through hard links. A write through such a link, possible as root or
after `chmod`, changes the cached object, and `dvc push` uploads it under the old name.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from face_occlusion.core.parallel import num_workers, prefetch
from face_occlusion.core.params import read_yaml


def find_damaged(cache: Path, lock: Path) -> tuple[int, dict[Path, str | None]]:
    """Hash every object of a DVC cache and compare it with its name.

    Returns their number, and for each damaged one the output of dvc.lock (`lock`, which may be
    missing) with the file's path in it; None if it is of another version of the pipeline. A folder
    that is not a cache is a ValueError.
    """
    root = cache / "files" / "md5"
    if not root.is_dir():
        raise ValueError(
            f"{cache}: not a cache of DVC 3 (it has no folder files/md5); give its path by --cache"
        )
    objects = sorted(path for path in root.glob("??/*") if path.is_file())
    workers = num_workers()
    checked = prefetch(_is_whole, objects, threads=workers, ahead=4 * workers)
    whole = list(tqdm(checked, total=len(objects), desc="cache"))
    damaged = [path for path, good in zip(objects, whole, strict=True) if not good]
    outputs = dict(_outputs(lock, root)) if damaged else {}
    return len(objects), {path: outputs.get(path.parent.name + path.name) for path in damaged}


def _is_whole(path: Path) -> bool:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
    return digest.hexdigest() == path.parent.name + path.name.removesuffix(".dir")


def _outputs(lock: Path, root: Path) -> Iterator[tuple[str, str]]:
    """Yield (object, path in the workspace) of every output in dvc.lock, folders' files too."""
    stages = read_yaml(lock).get("stages", {}) if lock.is_file() else {}
    for stage in stages.values():
        for out in stage.get("outs", []):
            name, path = out.get("md5", ""), out["path"]
            yield name, path
            listing = root / name[:2] / name[2:]
            if name.endswith(".dir") and listing.is_file() and _is_whole(listing):
                for entry in json.loads(listing.read_text()):
                    yield entry["md5"], f"{path}/{entry['relpath']}"
