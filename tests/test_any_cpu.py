"""The same bytes under every instruction set, kind of BLAS and number of threads."""

import pytest

from tests.any_cpu import outputs


@pytest.mark.slow
@pytest.mark.parametrize("module", ["tests.any_cpu_sets"])
def test_the_same_bytes_on_every_cpu(module: str):
    made = {name: dict(map(str.split, text.splitlines())) for name, text in outputs(module).items()}
    here = made.pop("this machine")
    assert here
    for setting, files in made.items():
        differ = sorted(path for path in {*here, *files} if here.get(path) != files.get(path))
        assert not differ, f"under {setting}"
