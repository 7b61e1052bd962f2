"""Pictures as files, for the tests of the commands."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def save(path: Path, pixels: np.ndarray, **options: Any) -> Path:
    """Write pixels in the format of the suffix, in a folder that may not be there yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def save_turned(path: Path, pixels: np.ndarray, **options: Any) -> Path:
    """Write pixels turned by a quarter, with the EXIF entry that says so."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return save(path, np.rot90(pixels).copy(), exif=exif, **options)


def load(path: Path) -> np.ndarray:
    """Read pixels as they are stored."""
    return np.asarray(Image.open(path))
