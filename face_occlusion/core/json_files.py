"""JSON objects in files, refused with the file's name where they are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_json(path: Path, absent: str = "no such file") -> dict[str, Any]:
    """Read a JSON object.

    Args:
        path: The file.
        absent: What to say if it is not there: what writes it, say.

    Raises:
        ValueError: If it is not there, or holds anything else; names the file.
    """
    if not path.is_file():
        raise ValueError(f"{path}: {absent}")
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: not readable as JSON (cut short?): {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: must be a JSON object; got {type(content).__name__}")
    return content
