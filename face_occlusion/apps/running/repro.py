"""Run one stage by `dvc repro --single-item`, and write its own entry of dvc.lock alone.

`python -I repro.py STAGE`. DVC itself parses and writes the whole file for each stage, which for 85
stages takes four seconds, and other stages wait for its lock meanwhile. The bytes are DVC's.

Importing PyTorch and MMSegmentation takes five seconds, which for 54 stages is a third of a small
run. `repro_forked` therefore runs in a process forked from one that has imported them.
"""

import functools
import os
import re
import runpy
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_HEAD = "schema: '2.0'\nstages:\n"
_STAGE = re.compile(r"python -m (stages\.\w+)(?: [\w./@-]+)*")


@contextmanager
def modify_entry(stage: str, path: str, fs: Any = None) -> Iterator[dict[str, Any]]:
    """Yield dvc.lock with the entry of `stage` alone, and write that entry back, or append it."""
    from dvc.utils.serialize import dumps_yaml, modify_yaml, parse_yaml

    text = Path(path).read_text("utf-8") if Path(path).is_file() else ""
    if not text.startswith(_HEAD):  # new, or with other parts
        with modify_yaml(path, fs) as content:
            yield content
        return
    key = re.escape(dumps_yaml({stage: 0}).removesuffix(" 0\n"))
    found = next(re.finditer(rf"(?m)^  {key}\n(    .*\n)*|\Z", text))
    content = parse_yaml(_HEAD + (found[0] or "    {}\n"), path)
    yield content
    entry = dumps_yaml(content).removeprefix(_HEAD)
    Path(path).write_text(text[: found.start()] + entry + text[found.end() :], "utf-8")


def repro(stage: str) -> int:
    """Run a stage of the pipeline in the current folder; return DVC's exit status."""
    import dvc.cli
    import dvc.dvcfile

    dvc.dvcfile.modify_yaml = functools.partial(modify_entry, stage)
    return dvc.cli.main(["--wait-for-lock", "repro", "--single-item", stage])


def repro_forked(stage: str, log: Path, environment: Mapping[str, str], root: Path) -> None:
    """Do the same in a process of `multiprocessing` that is for it, with its output in `log`.

    It leads a process group, and ends with its parent.
    """
    import dvc.stage.run

    from face_occlusion.core.parallel import exit_with_parent

    os.setsid()  # Ctrl-C in a terminal reaches the scheduler alone
    exit_with_parent()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a script's background
    with log.open("wb") as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
    os.chdir(root)
    os.environ.update(environment)
    dvc.stage.run._run = functools.partial(run_here, dvc.stage.run._run)
    sys.exit(repro(stage))


def run_here(run: Callable[..., None], executable: str, command: str, /, **options: Any) -> None:
    """Run `python -m stages.NAME ...` in this process, any other command by DVC's own `run`."""
    from dvc.stage.exceptions import StageCmdFailedError

    if (stage := _STAGE.fullmatch(command)) is None:
        return run(executable, command, **options)
    os.environ.update(options["env"])
    sys.path.insert(0, options["cwd"])
    before, sys.argv = sys.argv, stage[0].split()[2:]
    for loaded in [one for one in sys.modules if one.partition(".")[0] == "face_occlusion"]:
        del sys.modules[loaded]  # to be read again: from the folder, as its files are now
    try:
        runpy.run_module(stage[1], run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        if ended.code:
            raise StageCmdFailedError(command, ended.code) from ended
    except Exception as error:
        traceback.print_exc()  # of which DVC would show the message alone
        raise StageCmdFailedError(command, 1) from error
    finally:
        sys.argv = before  # part of the name by which DVC finds its locks


if __name__ == "__main__":
    sys.exit(repro(sys.argv[1]))
