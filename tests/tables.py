"""Tables of cases that are mere data, in the YAML file beside their test; what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from face_occlusion.core.images import encode_png
from face_occlusion.core.params import read_yaml


def rows(test_file: str, name: str) -> list[list[Any]]:
    """Return one table of `test_NAME.yaml`, for `pytest.mark.parametrize`."""
    return read_yaml(Path(test_file).with_suffix(".yaml"))[name]


def with_changes(files: dict[str, bytes], changes: dict[str, Any]) -> dict[str, bytes]:
    """Replace files by text, a mask of a height and width, or bytes; null takes one away."""
    new = files | changes
    for name, value in changes.items():
        if value is None:
            del new[name]
        elif not isinstance(value, bytes):
            text = isinstance(value, str)
            new[name] = value.encode() if text else encode_png(np.eye(*value) > 0)
    return new


def refuses(message: str, call: Callable[..., Any], *arguments: Any, **named: Any) -> None:
    """Assert that a call is a ValueError whose text the pattern `message` finds."""
    with pytest.raises(ValueError, match=message):
        call(*arguments, **named)
