"""Draw a tiny miniature, make its image sets and samples, and print a hash of each."""

import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from face_occlusion.core.images import encode_jpeg, encode_png
from face_occlusion.core.imageset import encode_record
from face_occlusion.generation import occlude
from face_occlusion.generation.geometry import make_occluder
from face_occlusion.generation.params import (
    SOT,
    STATISTICS,
    GenerateParams,
    default_params,
    paper_params,
)
from face_occlusion.occluders.glasses import draw_glasses
from tests.conftest import ROOT
from tests.generation.drawn import DISC, HAND, TEXTURE, WRIST, draw_face
from tests.tiny import SETS, run_stage, tiny_params, write_params

_SECTIONS = {"download", "sources", "corrections", "faces", "occluders", "superresolution"}
_SECTIONS |= {"benchmarks", "overlap"}  # the stages read them ninety times
_FACE = draw_face(shape=(300, 260))
_SMALL_FACE = draw_face(shape=(400, 420), radii_frac=(0.06, 0.06))  # no hand reaches it
_NUM_SAMPLES = 6


def main() -> None:
    """Run the stages in a folder of their own, each in this process; then paint samples."""
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        if os.environ.get("OMP_NUM_THREADS", "1") == "1":  # one worker too; else one for each core
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        shutil.copytree(ROOT / "annotations", "annotations")
        _write_params("lanczos")
        for name in SETS:
            run_stage(name)
        for method in ("none", "nearest", "bicubic"):
            _write_params(method)
            run_stage("superresolution", "data/cutouts/objects", f"data/enlarged/{method}")
        run_stage("overlap")
        for path in sorted(path for path in Path().rglob("*") if path.is_file()):
            print(path, hashlib.sha256(path.read_bytes()).hexdigest())
    for name, *case in _cases():
        print(f"sample/{name}", _hash_samples(*case))


def _write_params(method: str) -> None:
    params = {key: part for key, part in tiny_params("every CPU").items() if key in _SECTIONS}
    params["superresolution"]["method"] = method
    write_params(Path("params.yaml"), params)


def _cases() -> Iterator[tuple[str, tuple, Any, GenerateParams]]:
    """Return name, face, occluder and parameters of every way to make a sample."""
    yield "shape", _FACE, TEXTURE, default_params("textures")
    glasses = draw_glasses(np.random.default_rng(1), TEXTURE.image, 128)
    yield "glasses", _FACE, make_occluder(glasses), default_params("objects")
    yield "forearm", _SMALL_FACE, WRIST, default_params("hands")
    for mode in ("masked", "partial", "faithful", "published"):
        transfer = replace(SOT, mode=mode, downscale=2)
        yield mode, _FACE, HAND, paper_params("hands", colour_transfer=transfer)
    for method in ("none", "reinhard", "mkl"):
        fitted = replace(STATISTICS, method=method, strength=1.0)
        yield method, _FACE, DISC, paper_params("objects", harmonisation=fitted)


def _hash_samples(face: tuple, occluder: Any, params: GenerateParams) -> str:
    """Return one hash of the images, maps and records of some samples."""
    digest = hashlib.sha256()
    for seed in range(_NUM_SAMPLES):
        rng = np.random.default_rng(seed)
        painted, label, record = occlude(*face, [occluder], rng, params)
        for part in (encode_jpeg(painted, 95), encode_png(label), encode_record(record)):
            digest.update(part)
    return digest.hexdigest()


if __name__ == "__main__":
    main()
