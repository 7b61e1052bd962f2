"""The command line, as a user calls it."""

import pytest

from face_occlusion.apps.cli import main


@pytest.fixture
def invoke(monkeypatch, capsys):
    """Run `face-occlusion` with the given words, and return what it prints.

    With `status=1` it must fail, without a traceback; its error is then part of the result.
    """

    def run(*words: object, status: int = 0) -> str:
        monkeypatch.setattr("sys.argv", ["face-occlusion", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main()
        printed = capsys.readouterr()
        assert stopped.value.code == status, printed
        assert "Traceback" not in printed.err
        return printed.out + printed.err if status else printed.out

    return run
