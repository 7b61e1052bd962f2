"""The stages, and the parameters of a miniature that is smaller still, for tests that run them."""

import copy
import importlib
import json
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

from ruamel.yaml import YAML

from face_occlusion.apps.profiles import compose
from face_occlusion.core.params import read_yaml
from tests.conftest import ROOT, with_changes

_STAGES = read_yaml(ROOT / "tests" / "stages.yaml")
CHAIN: dict[str, str] = _STAGES["chain"]  # to a report; the arguments of each stage
TINY: dict[str, int] = _STAGES["miniature"]
_LATER = ("generate", "combine", "train", "evaluate", "overlap", "reports")
SAMPLE: dict[str, str] = _STAGES["of a sample"]
SETS = {name: text for name, text in CHAIN.items() if name not in _LATER} | _STAGES["beside it"]


def run_stage(name: str, *arguments: str) -> None:
    """Run a stage in this process, by default with the arguments in CHAIN or SETS."""
    stage = name.split()[0]
    words = arguments or (CHAIN | SETS)[name].split()
    with mock.patch.object(sys, "argv", [stage, *words]):
        importlib.import_module(f"stages.{stage}").main()


@cache
def profile_text(name: str) -> str:
    """Return the params.yaml of a profile; composing one takes a second."""
    return compose(ROOT / "profiles", name)


@cache
def _profile(name: str) -> dict[str, Any]:
    return YAML(typ="safe").load(profile_text(name))


def profile(name: str) -> dict[str, Any]:
    """Return the parameters of a profile, to change at will."""
    return copy.deepcopy(_profile(name))


def tiny_params(*further: str) -> dict[str, Any]:
    """Return the miniature's parameters with a few pictures of each release, and other changes."""
    params = profile("miniature")
    params["download"]["miniature"] |= TINY
    for name in ("tiny", *further):
        params = with_changes(params, _STAGES["params"][name])
    return params


def write_params(path: Path, params: Mapping[str, Any]) -> None:
    """Write parameters; JSON is YAML, and quicker to write."""
    path.write_text(json.dumps(params))
