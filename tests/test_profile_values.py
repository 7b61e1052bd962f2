"""Every section of every profile is accepted by the dataclass of the stage that reads it."""

import re

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
from face_occlusion.occluders import OccludersParams
from face_occlusion.releases.fetch import SourceParams
from face_occlusion.reporting.cells import axes_of
from face_occlusion.reporting.inputs import ReportParams
from face_occlusion.superresolution.enlarger import SuperresolutionParams
from face_occlusion.training.architectures import params_class
from face_occlusion.training.settings import RunParams, TrainParams
from stages.download import DownloadParams
from tests.conftest import ROOT
from tests.tiny import profile

PROFILES = ROOT / "profiles"
SECTIONS = {
    "download": DownloadParams,
    "corrections": CorrectionsParams,
    "faces": FacesParams,
    "occluders": OccludersParams,
    "superresolution": SuperresolutionParams,
    "train": TrainParams,
    "evaluate": EvaluateParams,
    "report": ReportParams,
}
TABLES = {
    "sources": SourceParams,
    "combinations": CombinationParams,
    "benchmarks": BenchmarkParams,
    "generate": GenerateParams,
    "runs": RunParams,
}


@pytest.fixture(params=profile_names(PROFILES))
def params(request):
    return profile(request.param)


def check_sections(params):
    for section, kind in SECTIONS.items():
        build(section, params[section], kind)
    for table, kind in TABLES.items():
        for name, values in params[table].items():
            build(f"{table}.{name}", values, kind)
    for model, values in params["models"].items():
        build(f"models.{model}", values, params_class(model))


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
