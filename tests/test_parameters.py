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


@pytest.mark.parametrize(
    ("section", "changes", "message"),
    [
        ("benchmarks.realocc", {"align": "dlib"}, "align: must be one of none, ffhq"),
        ("benchmarks.realocc", {"landmarks": "eyes"}, "landmarks: must be one of dlib, cofw"),
        ("benchmarks.realocc", {"align": "ffhq", "size_px": 0}, "size_px: .* 0 where nothing"),
        ("benchmarks.realocc", ALIGNED | {"landmarks": "cofw"}, "landmarks: 'cofw' are COFW's own"),
        ("benchmarks.realocc", {"by_hand": "../x.csv"}, "by_hand: must be a file name in annota"),
        ("benchmarks.realocc", {"by_hand": "x.csv"}, "by_hand: .* only where align is ffhq"),
        ("benchmarks.realocc", {"jpeg_quality": 0}, "jpeg_quality: must be"),
        ("benchmarks.realocc", {"samples_per_shard": 0}, "samples_per_shard: must be"),
        ("combinations.c_wo", {"masks": "none"}, "masks: must be one of corrected, original; got"),
        ("combinations.c_wo", {"data": []}, "data: must be a list of length >= 1"),
        ("combinations.c_wo", {"data": ["a", "a"]}, "data: must name image sets, each once"),
        ("corrections", {"folder": "../x"}, "folder: must be a folder in the repository"),
        ("corrections", {"folder": "/x"}, "folder: must be a folder in the repository"),
        ("corrections", {"labels": {}}, "labels: must be a mapping of length >= 1"),
        ("corrections", {"labels": {"a": "nose"}}, "labels: must be one of background, face, ign"),
        ("download.miniature", {"seed": -1}, "seed: must be"),
        ("download.miniature", {"num_o": 0}, "num_o: must be"),
        ("download.miniature", {"face_px": 66}, "face_px: must be"),
        ("download.miniature", {"face_px": 32}, "face_px: must be"),
        ("evaluate", {"benchmarks": []}, "benchmarks: must be a list of length >= 1"),
        ("evaluate", {"checkpoints": ["first"]}, "checkpoints: must be one of last, best"),
        ("evaluate", {"device": "tpu"}, "device: must be"),
        ("evaluate", {"batch_size": 0}, "batch_size: must be"),
        ("evaluate", {"num_threads": 0}, "num_threads: must be"),
        ("evaluate", {"preview_px": -1}, "preview_px: must be"),
        ("faces", {"size_px": 8}, "size_px: must be 0 or at least 16"),
        ("faces", {"jpeg_quality": 0}, "jpeg_quality: must be a whole number"),
        ("faces", {"samples_per_shard": 0}, "samples_per_shard: must be a whole number >= 1"),
        (NATOCC, {"method": "paste"}, "method: must be one of natocc, randocc; got 'paste'"),
        (NATOCC, {"seed": -1}, "seed: must be a whole number"),
        (NATOCC, {"variants": 0}, "variants: must be a whole number.*; got 0"),
        (NATOCC, {"variants": 1.5}, "variants: must be a whole number.*; got 1.5"),
        (NATOCC, {"scale_range": [1.0, 0.5]}, "scale_range: must be .a, b. with"),
        (NATOCC, {"scale_range": "0.5-1"}, "scale_range: must be"),
        (NATOCC, {"covered_frac_range": [0.2, 1.3]}, "covered_frac_range: must be"),
        (NATOCC, {"max_attempts": 0}, "max_attempts: must be a whole number"),
        (NATOCC, {"transparent_prob": 30}, "transparent_prob: must be a number <= 1.0; got 30"),
        (NATOCC, {"opacity_range": [0.5, 0.8, 0.9]}, "opacity_range: must be"),
        (NATOCC, {"jpeg_quality": 0}, "jpeg_quality: must be"),
        (NATOCC, {"samples_per_shard": 2.5}, "samples_per_shard: must be a whole number"),
        (NATOCC, {"face.zoom_range": [0.9, 1.1]}, "zoom_range: must be"),
        (NATOCC, {"face.affine_prob": 2}, "affine_prob: must be a number <= 1"),
        (NATOCC, {"occluder.tone_prob": -1}, "tone_prob: must be a number >= 0"),
        (NATOCC, {"occluder.jpeg_quality_range": [0, 90]}, "jpeg_quality_range: must be"),
        (NATOCC, {"colour_transfer.mode": "other"}, "mode: must"),
        (NATOCC, {"colour_transfer.algorithm1": "published"}, "algorithm1: must"),
        (NATOCC, {"colour_transfer.steps": 0}, "steps: must"),
        (NATOCC, {"colour_transfer.directions_per_step": 0}, "directions_per_step: must"),
        (NATOCC, {"colour_transfer.downscale": 0.5}, "downscale: must"),
        (NATOCC, {"colour_transfer.smoothing_frac": -0.1}, "smoothing_frac: must"),
        (NATOCC, {"colour_transfer.strength": 1.5}, "strength: must"),
        (NATOCC, {"colour_transfer.partial_share": 0}, "partial_share: must"),
        ("occluders", {"samples_per_shard": 0}, "samples_per_shard: must be"),
        ("occluders", {"hands.max_hands": -1}, "max_hands: must be"),
        ("occluders", {"hands.max_side_px": 1}, "max_side_px: must be"),
        ("occluders", {"hands.soft_px": -1}, "soft_px: must be a number >= 0"),
        ("occluders", {"hands.hole_frac": 2}, "hole_frac: must be"),
        ("occluders", {"objects.source": "web"}, "source: must be one of"),
        ("occluders", {"objects.num_objects": 0}, "num_objects: must be a whole"),
        ("occluders", {"objects.soft_px": 99}, "soft_px: must be"),
        ("occluders", {"objects.selection.categories": "cup"}, "categories: must be a list"),
        ("occluders", {"objects.selection.categories": ["a", "a"]}, "categories: a name occurs"),
        ("occluders", {"objects.selection.max_contact_frac": 2}, "max_contact_frac: must be"),
        ("occluders", {"objects.selection.max_per_category": 0}, "max_per_category: must be"),
        ("occluders", {"objects.selection.border_px": -1}, "border_px: must be"),
        ("occluders", {"objects.selection.supports": "table"}, "supports: must be"),
        ("occluders", {"textures.size_px": 4}, "size_px: must be"),
        ("occluders", {"textures.jpeg_quality": 101}, "jpeg_quality: must be"),
        ("overlap", {"max_bits": 128}, "max_bits: must be a whole number <= 127"),
        ("sources.coco", {"origin": "web"}, "origin: must be one of url, folder, min.*; got 'web'"),
        ("sources.coco", {"origin": "absent", "why": None}, "why: must say why"),
        ("sources.coco", {"files": []}, "files: must be a list"),
        ("sources.coco", {"files": "a.zip"}, "files: must be a list"),
        ("superresolution", {"method": "glean"}, "method: must be one of none"),
        ("superresolution", {"max_side_px": 0}, "max_side_px: must be a whole"),
        ("superresolution", {"samples_per_shard": 0}, "samples_per_shard: must be"),
    ],
)
def test_a_value_that_a_key_cannot_have_is_refused(section, changes, message):
    values, kind = find(profile("paper"), section), SECTIONS.get(section)
    kind = kind or TABLES[section.partition(".")[0]]
    for path, value in changes.items():
        *outer, key = path.split(".")
        functools.reduce(operator.getitem, outer, values)[key] = value
    with pytest.raises(ValueError, match=f"^{'.'.join([section, *outer])}: {message}"):
        build(section, values, kind)
