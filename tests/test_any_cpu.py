"""The same bytes under every instruction set, kind of BLAS and number of threads."""

import pytest

from tests.any_cpu import outputs


@pytest.mark.slow
def test_sets_and_samples_are_the_same_bytes_on_every_cpu():
    printed = outputs("tests.any_cpu_sets").items()
    made = {name: dict(map(str.split, text.splitlines())) for name, text in printed}
    here = made.pop("this machine")
    assert made and sum(name.startswith("sample/") for name in here) == 10
    for setting, files in made.items():
        differ = sorted(path for path in {*here, *files} if here.get(path) != files.get(path))
        assert not differ, f"under {setting}"
