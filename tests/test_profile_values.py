"""Every section of every profile is accepted by the dataclass of the stage that reads it."""

import re

import pytest
from ruamel.yaml import YAML

from face_occlusion.apps.profiles import compose, profile_names
from face_occlusion.benchmarks.benchmarks import BenchmarkParams
from face_occlusion.core.combination import CombinationParams
from face_occlusion.core.params import load_params, read_section, read_yaml
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
def path(request, tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(compose(PROFILES, request.param))
    return path


def test_every_section_is_accepted(path):
    for section, kind in SECTIONS.items():
        assert isinstance(load_params(path, section, kind), kind)
    for table, kind in TABLES.items():
        for name in read_section(path, table):
            assert isinstance(load_params(path, f"{table}.{name}", kind), kind)
    for model in read_section(path, "models"):
        load_params(path, f"models.{model}", params_class(model))


def test_what_the_docs_add_for_sets_of_ones_own_is_accepted(tmp_path):
    page = (ROOT / "docs/data.md").read_text()
    params = read_yaml(PROFILES / "paper.yaml")
    additions = YAML(typ="safe").load(re.findall(r"```yaml\n(evaluate:.*?)```", page, re.DOTALL)[0])
    for section, added in additions.items():
        for key, value in added.items():
            old = params[section].get(key, {})
            params[section][key] = old | value if isinstance(value, dict) else value
    path = tmp_path / "params.yaml"
    YAML().dump(params, path)
    test_every_section_is_accepted(path)
    axes = axes_of(params["combinations"], params["models"], params["report"]["benchmarks"])
    assert list(axes.benchmarks)[-1] == "mine" and list(axes.combinations)[-1] == "c_mine"
    assert set(params["report"]["table_4"]) <= set(params["evaluate"]["benchmarks"])


def test_hands_with_and_without_transfer_differ_in_their_colours_only(path):
    plain, transferred = (
        dict(read_section(path, f"generate.{name}")) for name in ("natocc_hand", "natocc_hand_sot")
    )
    assert plain.pop("colour_transfer") is None
    assert transferred.pop("colour_transfer") is not None
    assert plain == transferred


def test_what_the_report_shows_exists(path):
    report = read_section(path, "report")
    assert set(report["table_4"] + report["table_5"]) == set(read_section(path, "benchmarks"))
    assert set(read_section(path, "evaluate.benchmarks")) == set(report["benchmarks"])
    assert set(report["qualitative"]["combinations"]) <= set(read_section(path, "combinations"))
