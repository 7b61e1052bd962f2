"""Draw a tiny miniature, make its image sets, and print a hash of each file that was made."""

import hashlib
import importlib
import logging
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from face_occlusion.apps.profiles import compose
from tests.conftest import ROOT

# Sizes of which none is a multiple of another, so that every image is resampled; faces shrink and
# benchmarks grow. The finest JPEG quality and wide edges show differences of one level.
_VALUES = {
    "num_wo_train": 6,
    "num_wo_test": 4,
    "num_o": 4,
    "num_hands": 5,
    "num_objects": 10,
    "num_textures": 5,
    "num_benchmark": 5,
    "face_px": 96,
    "size_px": 70,
    "max_side_px": 200,
    "jpeg_quality": 100,
}
_RAW = {"hands": "hands_11k", "objects": "coco", "textures": "dtd"}
_BENCHMARKS = {
    "realocc": "realocc",
    "realocc_wild": "realocc_wild",
    "cofw": "cofw",
    "cofw_aligned": "cofw",
    "wo_test": "celebamask_hq",
}


def main() -> None:
    """Run the stages in a folder of their own, each in this process."""
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        if os.environ.get("OMP_NUM_THREADS", "1") == "1":  # one worker too; else one for each core
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        shutil.copytree(ROOT / "annotations", "annotations")
        _write_params("lanczos")
        for source in ("celebamask_hq", "realocc", "realocc_wild", "cofw", *_RAW.values()):
            _run("download", source, f"data/raw/{source}")
        _run("corrections", "data/raw/celebamask_hq", "data/corrections")
        _run("faces", "data/raw/celebamask_hq", "data/corrections", "data/faces")
        for kind, source in _RAW.items():
            _run("occluders", kind, f"data/raw/{source}", f"data/occluders/{kind}")
        for method in ("none", "nearest", "bicubic", "lanczos"):
            _write_params(method)
            _run("superresolution", "data/occluders/objects", f"data/enlarged/{method}")
        for name, source in _BENCHMARKS.items():
            out = f"data/benchmarks/{name}"
            _run("benchmarks", name, f"data/raw/{source}", "annotations/landmarks", out)
        _run("overlap", "data", "reports/overlap.json")
        for path in sorted(path for path in Path().rglob("*") if path.is_file()):
            print(path, hashlib.sha256(path.read_bytes()).hexdigest())


def _run(stage: str, *arguments: str) -> None:
    sys.argv = [stage, *arguments]
    importlib.import_module(f"stages.{stage}").main()


def _write_params(method: str) -> None:
    text = compose(ROOT / "profiles", "miniature")
    for name, value in _VALUES.items():
        text = re.sub(rf"\b{name}: \d+", f"{name}: {value}", text)
    text = re.sub(r"(align: .*size_px): \d+", r"\1: 400", text)
    text = re.sub(r"soft_px: [\d.]+", "soft_px: 2.0", text)
    text = re.sub(r"num_objects: \d+ +# Q9", "num_objects: 3", text)
    text = re.sub(r"method: lanczos", f"method: {method}", text)
    Path("params.yaml").write_text(text)


if __name__ == "__main__":
    main()
