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
from face_occlusion.core.params import build, read_yaml
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
from face_occlusion.training.architectures import params_class
from face_occlusion.training.settings import RunParams, TrainParams
from stages.download import DownloadParams
from tests.conftest import ROOT
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
NATOCC = "generate.natocc_hand_sot"
ALIGNED = {"align": "ffhq", "size_px": 64}


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


def changed(section: str, changes: Mapping[str, Any]) -> tuple[str, Any, type]:
    """Return the name of the part that holds the last key, the section's values, and its class."""
    values, kind = find(profile("paper"), section), SECTIONS.get(section)
    for path, value in changes.items():
        *outer, key = path.split(".")
        functools.reduce(operator.getitem, outer, values)[key] = value
    return ".".join([section, *outer]), values, kind or TABLES[section.partition(".")[0]]


@pytest.mark.parametrize(
    ("section", "changes", "message"),
    [
        ("benchmarks.realocc", {"align": "dlib"}, "align: must be one of none, ffhq"),
        ("benchmarks.realocc", {"align": "ffhq", "size_px": 0}, "size_px: .* 0 where nothing"),
        ("benchmarks.realocc", ALIGNED | {"landmarks": "cofw"}, "landmarks: 'cofw' are COFW's own"),
        ("benchmarks.realocc", {"by_hand": "../x.csv"}, "by_hand: must be a file name in annota"),
        ("benchmarks.realocc", {"by_hand": "x.csv"}, "by_hand: .* only where align is ffhq"),
        ("combinations.c_wo", {"data": ["a", "a"]}, "data: must name image sets, each once"),
        ("corrections", {"folder": "../x"}, "folder: must be a folder in the repository"),
        ("corrections", {"labels": {"a": "nose"}}, "labels: must be one of background, face, ign"),
        ("faces", {"size_px": 8}, "size_px: must be 0 or at least 16"),
        (NATOCC, {"scale_range": [1.0, 0.5]}, "scale_range: must be .a, b. with"),
        (NATOCC, {"transparent_prob": 30}, "transparent_prob: must be a number <= 1.0; got 30"),
        ("occluders", {"objects.selection.categories": ["a", "a"]}, "categories: a name occurs"),
        ("sources.coco", {"origin": "web"}, "origin: must be one of url, folder, min.*; got 'web'"),
        ("sources.coco", {"origin": "absent", "why": None}, "why: must say why"),
    ],
)
def test_a_value_that_a_key_cannot_have_is_refused(section, changes, message):
    part, values, kind = changed(section, changes)
    with pytest.raises(ValueError, match=f"^{part}: {message}"):
        build(section, values, kind)


OUT_OF_BOUNDS = read_yaml(ROOT / "tests" / "out_of_bounds.yaml")


@pytest.mark.parametrize(
    ("section", "path"),
    [(section, path) for section in OUT_OF_BOUNDS for path in OUT_OF_BOUNDS[section]],
)
def test_a_value_out_of_bounds_is_refused_by_its_key(section, path):
    part, values, kind = changed(section, {path: OUT_OF_BOUNDS[section][path]})
    with pytest.raises(ValueError, match=rf"^{part}: {path.rpartition('.')[2]}: must"):
        build(section, values, kind)
