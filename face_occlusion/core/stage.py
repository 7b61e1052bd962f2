"""Run a stage of the pipeline: its log, its errors and how long it took."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable

import psutil

from face_occlusion.core.timings import record_time


def run_stage(main: Callable[[], None]) -> None:
    """Run a stage's `main`; a bad input ends as one line on stderr and exit status 1."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("fontTools").setLevel(logging.WARNING)  # it lists the tables of fonts
    try:
        main()
    except ValueError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        sys.exit(1)
    record_time(time.time() - psutil.Process().create_time())  # loading the libraries included
