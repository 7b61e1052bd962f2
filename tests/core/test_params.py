from dataclasses import dataclass

import pytest

from face_occlusion.core.params import load_params, read_section


@dataclass(frozen=True, kw_only=True)
class Inner:
    depth: int

    def __post_init__(self):
        if self.depth < 1:
            raise ValueError(f"depth must be at least 1; got {self.depth}")


@dataclass(frozen=True, kw_only=True)
class Outer:
    lr: float
    inner: Inner | None


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "params.yaml"
        path.write_text(text)
        return path

    return write


def test_dvc_writes_small_rates_without_a_dot_and_they_stay_numbers(write):
    assert read_section(write("train: {lr: 6e-05}"), "train.lr") == 6e-05


def test_nested_sections_become_nested_dataclasses(write):
    params = load_params(write("a: {b: {lr: 0.1, inner: {depth: 3}}}"), "a.b", Outer)
    assert params == Outer(lr=0.1, inner=Inner(depth=3))
    assert load_params(write("a: {lr: 0.1, inner: null}"), "a", Outer).inner is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: {lr: 0.1}", r"params.yaml: a: missing keys \['inner'\]"),
        ("a: {lr: 0.1, inner: null, rate: 1}", r"a: unknown keys \['rate'\]"),
        ("a: {lr: 0.1, inner: {depth: 0}}", "a.inner: depth must be at least 1; got 0"),
        ("a: 3", "a: must be a mapping; got 3"),
        ("b: 3", "no key 'a' in 'the top level'; got b"),
        ("a: [", "not readable as YAML"),
    ],
)
def test_errors_name_the_file_the_section_and_the_key(write, text, message):
    with pytest.raises(ValueError, match=message):
        load_params(write(text), "a", Outer)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere.yaml: no such file"):
        read_section(tmp_path / "nowhere.yaml", "a")
