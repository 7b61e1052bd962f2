"""What a measurement ran on, in one line."""

import os
import platform
from pathlib import Path

import cv2
import numpy as np

from face_occlusion.core.parallel import num_workers


def machine() -> str:
    """Describe processor, cores, load and versions; a GPU where torch was asked for one."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = (line for line in info.read_text().splitlines() if line.startswith("model name"))
        model = next(lines, model).partition(":")[2].strip() or model
    load = os.getloadavg()[0]
    return (
        f"{model}, {num_workers()} of {os.cpu_count()} cores, load {load:.1f} before; "
        f"Python {platform.python_version()}, numpy {np.__version__}, OpenCV {cv2.__version__}"
    )
