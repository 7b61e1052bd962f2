import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest

from face_occlusion.core.params import PAIR, Checked, Count, Share, load_params, read_section


@dataclass(frozen=True, kw_only=True)
class Inner(Checked):
    depth: int

    def __post_init__(self):
        super().__post_init__()
        if self.depth < 1:
            raise ValueError(f"depth must be at least 1; got {self.depth}")


@dataclass(frozen=True, kw_only=True)
class Outer(Checked):
    lr: float
    inner: Inner | None


@dataclass(frozen=True, kw_only=True)
class Every(Checked):
    flag: bool = False
    count: Count = 1
    share: Share = 0.5
    zoom_range: Annotated[Sequence[Share], PAIR] = (0, 1)
    names: Sequence[str] = ()
    size: Literal[256, 512] | None = None
    classes: Mapping[str, Literal["face", "hand"]] | None = None
    inner: Inner | None = None
    table: Mapping[str, Inner] = field(default_factory=dict)


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "params.yaml"
        path.write_text(text)
        return path

    return write


def test_sections_become_nested_dataclasses_and_small_rates_stay_numbers(write):
    path = write("a: {b: {lr: 6e-05, inner: {depth: 3}}}")  # as DVC writes it, without a dot
    assert load_params(path, "a.b", Outer) == Outer(lr=6e-05, inner=Inner(depth=3))
    assert read_section(path, "a.b.lr") == 6e-05
    assert load_params(write("a: {lr: 0.1, inner: null}"), "a", Outer).inner is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: {lr: 0.1}", r"params.yaml: a: missing keys \['inner'\]"),
        ("a: {lr: 0.1, inner: null, rate: 1}", r"a: unknown keys \['rate'\]"),
        ("a: {lr: 0.1, inner: {depth: 0}}", "a.inner: depth must be at least 1; got 0"),
        ("a: 3", "a: must be a mapping; got 3"),
        ("b: 3", "no key 'a' in 'the top level'; got b"),
        ("a: [", "params.yaml: not readable as YAML: line 2, column 1: did not find [^\n]*$"),
        ("a: {b: 1, b: 2}", 'YAML: line 1, column 11: found duplicate key "b"[^\n]*$'),
        ("a: \x07", r"YAML: unacceptable character [^\n]*$"),
        ("a: !!int b", r"params.yaml: not readable as YAML: .*'b'$"),
    ],
)
def test_errors_name_the_file_the_section_and_the_key(write, text, message):
    with pytest.raises(ValueError, match=message):
        load_params(write(text), "a", Outer)


def test_a_missing_file_and_another_encoding_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere.yaml: no such file"):
        read_section(tmp_path / "nowhere.yaml", "a")
    (tmp_path / "params.yaml").write_bytes("a: Zürich".encode("latin-1"))
    with pytest.raises(ValueError, match=r"params.yaml: not readable as YAML: .*utf-8"):
        read_section(tmp_path / "params.yaml", "a")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flag: no", "flag: must be true or false; got 'no'"),
        ("flag: 1", "flag: must be true or false; got 1"),
        ("count: 12.5", "count: must be a whole number; got 12.5"),
        ("count: true", "count: must be a whole number; got True"),
        ("count: 0", "count: must be a whole number >= 1; got 0"),
        ("share: '0.5'", "share: must be a number; got '0.5'"),
        ("share: .nan", "share: must be finite; got nan"),
        ("names: [[a, .nan]]", "names: must be finite; got [['a', nan]]"),
        ("classes: {a: {b: [.inf]}}", "classes: must be finite; got {'a': {'b': [inf]}}"),
        ("zoom_range: [0, 1.5]", "zoom_range: must be a number <= 1.0 - at [1]; got [0, 1.5]"),
        ("zoom_range: [0.5]", "zoom_range: must be a list of length >= 2; got [0.5]"),
        ("zoom_range: [0.5, 0.1]", "zoom_range: must be [a, b] with a <= b; got [0.5, 0.1]"),
        ("names: abc", "names: must be a list; got 'abc'"),
        ("names: [a, 3]", "names: must be text - at [1]; got ['a', 3]"),
        ("size: 300", "size: must be one of 256, 512; got 300"),
        ("classes: {a: nose}", "classes: must be one of face, hand - at [...]; got {'a': 'nose'}"),
        ("inner: 3", "inner: must be a mapping or null; got 3"),
        ("table: {b: {depth: 0}}", "table.b: depth must be at least 1; got 0"),
        ("table: {b: {width: 0}}", "table.b: unknown keys ['width']; known: ['depth']"),
        ("flag: true, flag: false", 'found duplicate key "flag"'),
    ],
)
def test_values_that_do_not_fit_their_annotation_are_refused(write, text, message):
    """YAML 1.2 reads `no` as text, which would count as true."""
    with pytest.raises(ValueError, match=rf"(?s)params.yaml: .*{re.escape(message)}"):
        load_params(write(f"a: {{{text}}}"), "a", Every)


@pytest.mark.parametrize(
    "values", ["share: 1", "size: 512", "table: {b: {depth: 2}}", "classes: {a: face}"]
)
def test_values_that_fit_are_kept_as_they_are(write, values: str):
    loaded: Any = load_params(write(f"a: {{{values}}}"), "a", Every)
    assert repr(loaded.share) == ("1" if "share" in values else "0.5")
