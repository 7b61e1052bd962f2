"""Imports of occluders with parameters fit for small drawn releases."""

import dataclasses
from pathlib import Path

from face_occlusion.core.params import build, read_yaml
from face_occlusion.occluders import OccludersParams, import_occluders
from tests.conftest import processes
from tests.releases.build import make_release

PARAMS = build("occluders", read_yaml(Path(__file__).with_suffix(".yaml")), OccludersParams)


def run(tmp_path, kind, origin, files, /, **changed):
    """Import a release's files as occluders of a kind, with changed parameters of that kind."""
    release = make_release(tmp_path / "raw", origin, files)
    section = kind.partition("_")[0]
    own = dataclasses.replace(getattr(PARAMS, section), **changed)
    params = dataclasses.replace(PARAMS, **{section: own})
    with processes(1):
        return import_occluders(kind, release, tmp_path / "out", params)
