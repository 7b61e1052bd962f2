"""Run one stage by `dvc repro --single-item`, and write its own entry of dvc.lock alone.

`python -I repro.py STAGE`. DVC itself parses and writes the whole file for each stage, which for 85
stages takes four seconds, and other stages wait for its lock meanwhile. The bytes are DVC's.
"""

import functools
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_HEAD = "schema: '2.0'\nstages:\n"


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


def main() -> int:
    """Run the stage that the command line names; return DVC's exit status."""
    import dvc.cli
    import dvc.dvcfile

    stage = sys.argv[1]
    dvc.dvcfile.modify_yaml = functools.partial(modify_entry, stage)
    return dvc.cli.main(["--wait-for-lock", "repro", "--single-item", stage])


if __name__ == "__main__":
    sys.exit(main())
