"""Read a folder of corrections of all formats."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from face_occlusion.faces.corrections.coco import read_coco
from face_occlusion.faces.corrections.correction import Correction, CorrectionsParams
from face_occlusion.faces.corrections.labelme import read_labelme
from face_occlusion.faces.corrections.segments import read_segments

READERS: dict[str, Callable[[Path, CorrectionsParams], Iterator[Correction]]] = {
    "labelme": read_labelme,
    "segments": read_segments,
    "coco": read_coco,
}


def read_corrections(folder: Path, params: CorrectionsParams) -> dict[int, Correction]:
    """Read all corrections of a folder, by the face's number.

    Args:
        folder: With one subfolder for each format that is used.
        params: What labels mean.

    Raises:
        ValueError: If the folder is missing or empty, holds something else than the formats'
            subfolders, a face is corrected twice, or a correction cannot be read; names it.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder; faces.corrections.folder names it")
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    for path in entries:
        if path.name not in READERS or not path.is_dir():
            raise ValueError(f"{path}: expected only the folders {', '.join(READERS)} here")
    corrections: dict[int, Correction] = {}
    for path in entries:
        for correction in READERS[path.name](path, params):
            if (other := corrections.get(correction.number)) is not None:
                raise ValueError(
                    f"{correction.where}: face {correction.number} is also corrected in "
                    f"{other.where}; keep one"
                )
            corrections[correction.number] = correction
    if not corrections:
        raise ValueError(f"{folder}: no finished correction in it")
    return corrections
