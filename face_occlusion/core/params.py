"""Read a section of params.yaml into a frozen dataclass."""

from __future__ import annotations

import dataclasses
import functools
import math
import re
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
from msgspec import Meta
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from face_occlusion.core.files import errors_name

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Params = TypeVar("Params", bound="DataclassInstance")

Natural = Annotated[int, Meta(ge=0)]
Count = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(ge=0, le=1)]
NonNegative = Annotated[float, Meta(ge=0)]
Positive = Annotated[float, Meta(gt=0)]
JpegQuality = Annotated[int, Meta(ge=1, le=100)]
PAIR = Meta(min_length=2, max_length=2)
FILLED = Meta(min_length=1)
WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "a mapping",
}


class Checked:
    """Base of parameter dataclasses: values must fit their annotations, ranges must ascend.

    A value that does not fit is a ValueError that starts with the key's name. A subclass that
    compares fields does so in its own `__post_init__`, after this one.
    """

    def __post_init__(self) -> None:
        for name, hint in _annotations(type(self)).items():
            check_value(name, getattr(self, name), hint)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Resized(Checked):
    """Base of sections that bring a release's images to a size; 0 keeps theirs."""

    size_px: int
    jpeg_quality: JpegQuality  # of images that change size; others keep their bytes

    def __post_init__(self) -> None:
        super().__post_init__()
        if 0 != self.size_px < 16:
            raise ValueError(f"size_px: must be 0 or at least 16; got {self.size_px}")


def check_value(name: str, value: Any, hint: Any) -> None:
    """Check that a value, as YAML gives it, fits an annotation; a whole number is also a float.

    A ValueError names what came and what is expected.
    """
    if not _is_finite(value):
        raise ValueError(f"{name}: must be finite; got {value!r}")
    try:
        msgspec.convert(value, hint)
    except msgspec.ValidationError as error:
        wanted = re.sub(r"^Expected |, got `.*?`", "", str(error))
        wanted = re.sub("Invalid enum value '?.*?'?(?= - at|$)", f"one of {_choices(hint)}", wanted)
        wanted = re.sub("`(.+?)`", lambda found: _in_words(found[1]), wanted)
        raise ValueError(f"{name}: must be {wanted}; got {value!r}") from error
    if name.endswith("_range") and value is not None and value[0] > value[1]:
        raise ValueError(f"{name}: must be [a, b] with a <= b; got {value!r}")


def _is_finite(value: Any) -> bool:
    """Tell whether no number in a value, however deeply nested, is infinite or not a number."""
    if isinstance(value, Mapping):
        return all(map(_is_finite, (*value, *value.values())))
    if isinstance(value, list | tuple):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def _choices(hint: Any) -> str:
    """Return the values that the first Literal in an annotation allows."""
    if typing.get_origin(hint) is typing.Literal:
        return ", ".join("null" if value is None else str(value) for value in typing.get_args(hint))
    return next(filter(None, map(_choices, typing.get_args(hint))), "")


def _in_words(kinds: str) -> str:
    """Return msgspec's names of types (`int | null`) or of a place (`$[1]`) in words."""
    return " or ".join(WORDS.get(kind, kind.lstrip("$")) for kind in kinds.split(" | "))


@functools.cache
def _annotations(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind, include_extras=True)


def read_yaml(path: Path) -> Any:
    """Read a YAML file as plain Python values; one that is missing or not YAML is a ValueError.

    ruamel, as DVC: PyYAML reads the `6e-05` that `dvc exp run -S` writes as text.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such file; run from the repository's root")
    yaml = YAML(typ="safe")
    try:
        return yaml.load(path.read_text(encoding="utf-8"))
    except (YAMLError, ValueError) as error:
        what = " ".join(str(error).split())
        if isinstance(error, MarkedYAMLError) and (mark := error.problem_mark):
            what = f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
        raise ValueError(f"{path}: not readable as YAML: {what}") from error


def read_section(path: Path, section: str) -> Any:
    """Read one section, named with dots (`generate.natocc_hand`).

    If a part of the name is missing, a ValueError names what is there instead.
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
    """Build the dataclass `kind` from a section, named with dots, of a parameter file.

    Fields whose type is itself a dataclass are built from their nested mapping. An unknown or
    missing key is a ValueError, and so is a value that the dataclass refuses (`Checked`), with
    file and section in front of its message.
    """
    return build(f"{path}: {section}", read_section(path, section), kind)


def build(where: str, values: Any, kind: type[Params]) -> Params:
    """Build the dataclass `kind` from a mapping; `where` opens every error message."""
    if not isinstance(values, Mapping):
        raise ValueError(f"{where}: must be a mapping; got {values!r}")
    fields = {field.name: field for field in dataclasses.fields(kind)}
    if unknown := sorted(map(str, values.keys() - fields.keys())):
        raise ValueError(f"{where}: unknown keys {unknown}; known: {sorted(fields)}")
    required = [
        name
        for name, field in fields.items()
        if field.default is field.default_factory is dataclasses.MISSING
    ]
    if missing := [name for name in required if name not in values]:
        raise ValueError(f"{where}: missing keys {missing}")
    hints = _annotations(kind)
    arguments = {
        name: _build_nested(f"{where}.{name}", value, hints[name]) for name, value in values.items()
    }
    with errors_name(where):
        return kind(**arguments)


def _build_nested(where: str, value: Any, hint: Any) -> Any:
    """Build what an annotation wants from a mapping: a dataclass, or one for each key."""
    for kind in (hint, *typing.get_args(hint)):
        if not isinstance(kind, type) or not dataclasses.is_dataclass(kind):
            continue
        if isinstance(value, Mapping):
            if typing.get_origin(hint) is Mapping:
                return {key: build(f"{where}.{key}", item, kind) for key, item in value.items()}
            return build(where, value, kind)
    return value
