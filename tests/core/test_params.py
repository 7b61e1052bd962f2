import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest

from face_occlusion.core.params import PAIR, Checked, Count, Share, load_params, read_section
from tests.tables import refuses, rows


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


@pytest.mark.parametrize(("text", "message"), rows(__file__, "files"))
def test_errors_name_the_file_the_section_and_the_key(tmp_path, text, message):
    path = tmp_path / "params.yaml"
    path.write_bytes(text.encode("latin-1"))
    refuses(message, load_params, path, "a", Outer)
    refuses(r"nowhere.yaml: no such file", read_section, tmp_path / "nowhere.yaml", "a")


@pytest.mark.parametrize(("text", "message"), rows(__file__, "values"))
def test_values_that_do_not_fit_their_annotation_are_refused(write, text, message):
    with pytest.raises(ValueError, match=rf"(?s)params.yaml: .*{re.escape(message)}"):
        load_params(write(f"a: {{{text}}}"), "a", Every)


@pytest.mark.parametrize(
    "values", ["share: 1", "size: 512", "table: {b: {depth: 2}}", "classes: {a: face}"]
)
def test_values_that_fit_are_kept_as_they_are(write, values: str):
    loaded: Any = load_params(write(f"a: {{{values}}}"), "a", Every)
    assert repr(loaded.share) == ("1" if "share" in values else "0.5")
