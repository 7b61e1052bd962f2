"""Tables of cases that are mere data, in the YAML file beside their test."""

from pathlib import Path
from typing import Any

from face_occlusion.core.params import read_yaml


def rows(test_file: str, name: str) -> list[list[Any]]:
    """Return one table of `test_NAME.yaml`, for `pytest.mark.parametrize`."""
    return read_yaml(Path(test_file).with_suffix(".yaml"))[name]
