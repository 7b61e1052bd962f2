"""Every section of the parameters is read by a dataclass: it accepts every profile's values.

What a key cannot be is refused by section and key.
"""

import functools
import operator
import re
from collections.abc import Mapping
from typing import Any

import pytest
from ruamel.yaml import YAML

from face_occlusion.apps.profiles import profile_names
from face_occlusion.benchmarks.benchmarks import BenchmarkParams
from face_occlusion.core.combination import CombinationParams
from face_occlusion.core.params import build
from face_occlusion.evaluation.evaluate import EvaluateParams
from face_occlusion.faces.correction import CorrectionsParams
from face_occlusion.faces.faces import FacesParams
from face_occlusion.generation import GenerateParams
from face_occlusion.miniature.archives import MiniatureParams
from face_occlusion.occluders import OccludersParams
from face_occlusion.overlap.compare import OverlapParams
from face_occlusion.releases.fetch import SourceParams
from face_occlusion.reporting.cells import axes_of
from face_occlusion.reporting.inputs import ReportParams
from face_occlusion.superresolution.enlarger import SuperresolutionParams
from face_occlusion.training.architectures import ARCHITECTURES
from face_occlusion.training.settings import RunParams, TrainParams
from stages.download import DownloadParams
from tests.conftest import ROOT, with_changes
from tests.tables import refuses, rows
from tests.tiny import profile

SECTIONS = {
    "download": DownloadParams,
    "download.miniature": MiniatureParams,
    "corrections": CorrectionsParams,
    "faces": FacesParams,
    "occluders": OccludersParams,
    "superresolution": SuperresolutionParams,
    "train": TrainParams,
    "evaluate": EvaluateParams,
    "overlap": OverlapParams,
    "report": ReportParams,
}
TABLES = {
    "sources": SourceParams,
    "combinations": CombinationParams,
    "benchmarks": BenchmarkParams,
    "generate": GenerateParams,
    "runs": RunParams,
}


def find(params: Mapping[str, Any], section: str) -> Any:
    """Return a section, named with dots."""
    return functools.reduce(operator.getitem, section.split("."), params)


@pytest.fixture(params=profile_names(ROOT / "profiles"))
def params(request):
    return profile(request.param)


def check_sections(params):
    for section, kind in SECTIONS.items():
        build(section, find(params, section), kind)
    for table, kind in TABLES.items():
        for name, values in params[table].items():
            build(f"{table}.{name}", values, kind)
    for model, values in params["models"].items():
        build(f"models.{model}", values, ARCHITECTURES[model])


def test_every_section_is_accepted(params):
    check_sections(params)


def test_what_the_docs_add_for_sets_of_ones_own_is_accepted():
    page = (ROOT / "docs/data.md").read_text()
    params = profile("paper")
    additions = YAML(typ="safe").load(re.findall(r"```yaml\n(evaluate:.*?)```", page, re.DOTALL)[0])
    for section, added in additions.items():
        for key, value in added.items():
            old = params[section].get(key, {})
            params[section][key] = old | value if isinstance(value, dict) else value
    check_sections(params)
    axes = axes_of(params["combinations"], params["models"], params["report"]["benchmarks"])
    assert list(axes.benchmarks)[-1] == "mine" and list(axes.combinations)[-1] == "c_mine"
    assert set(params["report"]["table_4"]) <= set(params["evaluate"]["benchmarks"])


def test_hands_with_and_without_transfer_differ_in_their_colours_only(params):
    plain, coloured = (params["generate"][name] for name in ("natocc_hand", "natocc_hand_sot"))
    assert {key for key in plain if plain[key] != coloured[key]} == {"colour_transfer"}
    assert plain["colour_transfer"] is None and plain.keys() == coloured.keys()


def test_what_the_report_shows_exists(params):
    report = params["report"]
    assert set(report["table_4"] + report["table_5"]) == set(params["benchmarks"])
    assert set(params["evaluate"]["benchmarks"]) == set(report["benchmarks"])
    assert set(report["qualitative"]["combinations"]) <= set(params["combinations"])


def refused(section: str, changes: Mapping[str, Any], message: str) -> None:
    """Check what is said of a section of the paper's parameters with other values."""
    values = with_changes(find(profile("paper"), section), changes)
    kind = SECTIONS.get(section) or TABLES[section.partition(".")[0]]
    refuses(rf"^{section}{message}", build, section, values, kind)


@pytest.mark.parametrize(("section", "changes", "message"), rows(__file__, "refused"))
def test_a_value_that_a_key_cannot_have_is_refused(section, changes, message):
    refused(section, changes, rf"[.\w]*: {message}")


BOUNDS = rows(__file__, "out_of_bounds").items()
BEYOND = [(section, *change) for section, values in BOUNDS for change in values.items()]


@pytest.mark.parametrize(("section", "path", "value"), BEYOND)
def test_a_value_out_of_bounds_is_refused_by_its_key(section, path, value):
    outer, _, key = f".{path}".rpartition(".")
    refused(section, {path: value}, f"{outer}: {key}: must")
