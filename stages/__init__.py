"""Entry points of the pipeline: one module per stage, run as `python -m stages.NAME`."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable

from face_occlusion.timings import record_time

_STARTED = time.perf_counter()  # before the stage's own module loads its libraries


def run_stage(main: Callable[[], None]) -> None:
    """Run a stage's `main`; a bad input ends as one line on stderr and exit status 1."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("fontTools").setLevel(logging.WARNING)  # it lists the tables of fonts
    try:
        main()
    except ValueError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        sys.exit(1)
    record_time(time.perf_counter() - _STARTED)
