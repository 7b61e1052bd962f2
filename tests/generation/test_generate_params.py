"""Parameters of sets: the profile and the package hold the same; bad values are named."""

import dataclasses
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from face_occlusion.core.params import load_params
from face_occlusion.generation import GenerateParams
from face_occlusion.generation.presets import SOT, STATISTICS, paper_params
from tests.generation.drawn import params

PAPER = Path(__file__).resolve().parents[2] / "profiles" / "paper.yaml"
SETS = {
    "natocc_hand": paper_params("hands", seed=1),
    "natocc_hand_sot": paper_params("hands", seed=1, colour_transfer=SOT),
    "natocc_object": paper_params("objects", seed=2, harmonisation=STATISTICS),
    "randocc_1": paper_params("textures", seed=3),
    "randocc_2": paper_params("textures", seed=4),
}


@pytest.mark.parametrize("name", sorted(SETS))
def test_the_paper_s_profile_equals_the_package_s_settings(name):
    loaded = load_params(PAPER, f"generate.{name}", GenerateParams)
    assert dataclasses.asdict(loaded) == dataclasses.asdict(SETS[name])


def test_the_two_hand_sets_differ_in_colour_alone():
    sections = YAML(typ="safe").load(PAPER.read_text())["generate"]
    assert sections.keys() == SETS.keys()
    plain, coloured = sections["natocc_hand"], sections["natocc_hand_sot"]
    assert {key for key in plain if plain[key] != coloured[key]} == {"colour_transfer"}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("method", "paste", "method: must be one of natocc, randocc; got 'paste'"),
        ("scale_range", [1.0, 0.5], "scale_range: must be .a, b. with"),
        ("scale_range", "0.5-1", "scale_range: must be"),
        ("covered_frac_range", [0.2, 1.3], "covered_frac_range: must be"),
        ("max_attempts", 0, "max_attempts: must be a whole number"),
        ("samples_per_shard", 2.5, "samples_per_shard: must be a whole number"),
        ("seed", -1, "seed: must be a whole number"),
        ("transparent_prob", 30, "transparent_prob: must be a number <= 1.0; got 30"),
        ("opacity_range", [0.5, 0.8, 0.9], "opacity_range: must be"),
        ("jpeg_quality", 0, "jpeg_quality: must be"),
        ("face", {"zoom_range": [0.9, 1.1]}, "zoom_range: must be"),
        ("face", {"affine_prob": 2}, "affine_prob: must be a number <= 1"),
        ("occluder", {"tone_prob": -1}, "tone_prob: must be a number >= 0"),
        ("occluder", {"jpeg_quality_range": [0, 90]}, "jpeg_quality_range: must be"),
    ],
)
def test_bad_values_are_named(key, value, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        params("objects", **{key: value})


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="kind must be one of hands"):
        paper_params("feet")
