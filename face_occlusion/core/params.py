"""Read a section of params.yaml into a frozen dataclass."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Params = TypeVar("Params", bound="DataclassInstance")


def read_yaml(path: Path) -> Any:
    """Read a YAML file as plain Python values.

    ruamel, as DVC: PyYAML reads the `6e-05` that `dvc exp run -S` writes as text.

    Raises:
        ValueError: If the file is missing or is not YAML.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such file; run from the repository's root")
    yaml = YAML(typ="safe")
    try:
        return yaml.load(path.read_text())
    except YAMLError as error:
        raise ValueError(f"{path}: not readable as YAML: {error}") from error


def read_section(path: Path, section: str) -> Any:
    """Read one section, named with dots (`generate.natocc_hand`).

    Raises:
        ValueError: If a part of the name is missing; names what is there instead.
    """
    value = read_yaml(path)
    seen: list[str] = []
    for key in section.split("."):
        if not isinstance(value, Mapping) or key not in value:
            found = ", ".join(map(str, value)) if isinstance(value, Mapping) else repr(value)
            raise ValueError(
                f"{path}: no key '{key}' in '{'.'.join(seen) or 'the top level'}'; got {found}"
            )
        value = value[key]
        seen.append(key)
    return value


def load_params(path: Path, section: str, kind: type[Params]) -> Params:
    """Build the dataclass `kind` from a section of a parameter file.

    Fields whose type is itself a dataclass are built from their nested mapping. Value checks
    are the dataclass's own (`__post_init__`); its messages start with the key's name and are
    prefixed here with file and section.

    Args:
        path: The parameter file, usually `params.yaml`.
        section: Name of the section, with dots.
        kind: A frozen dataclass whose fields are the section's keys.

    Raises:
        ValueError: If a key is unknown or missing, or a value is refused.
    """
    return build(f"{path}: {section}", read_section(path, section), kind)


def build(where: str, values: Any, kind: type[Params]) -> Params:
    """Build the dataclass `kind` from a mapping; `where` opens every error message."""
    if not isinstance(values, Mapping):
        raise ValueError(f"{where}: must be a mapping; got {values!r}")
    fields = {field.name: field for field in dataclasses.fields(kind)}
    if unknown := sorted(map(str, values.keys() - fields.keys())):
        raise ValueError(f"{where}: unknown keys {unknown}; known: {sorted(fields)}")
    if missing := [
        name
        for name, field in fields.items()
        if name not in values
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]:
        raise ValueError(f"{where}: missing keys {missing}")
    arguments = dict(values)
    for name, nested in _nested_dataclasses(kind).items():
        if arguments.get(name) is not None:
            arguments[name] = build(f"{where}.{name}", arguments[name], nested)
    try:
        return kind(**arguments)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from error


def check_at_least(least: int, **values: int) -> None:
    """Check that values are not below a minimum.

    Raises:
        ValueError: Names the first one, as the key of the same name.
    """
    for name, value in values.items():
        if value < least:
            raise ValueError(f"{name}: must be at least {least}; got {value}")


def check_jpeg_quality(jpeg_quality: int) -> None:
    """Check that a value is a JPEG quality.

    Raises:
        ValueError: If it lies outside 1-100.
    """
    if not 1 <= jpeg_quality <= 100:
        raise ValueError(f"jpeg_quality: must lie in 1-100; got {jpeg_quality}")


def _nested_dataclasses(kind: type) -> dict[str, type]:
    """Return the fields whose declared type is a dataclass, or a dataclass or None."""
    nested = {}
    for name, hint in typing.get_type_hints(kind).items():
        for candidate in (hint, *typing.get_args(hint)):
            if isinstance(candidate, type) and dataclasses.is_dataclass(candidate):
                nested[name] = candidate
    return nested
