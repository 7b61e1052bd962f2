"""Parameters of sets: the profile and the package hold the same; bad values are named."""

import dataclasses
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from face_occlusion.core.params import load_params
from face_occlusion.generation import GenerateParams
from face_occlusion.generation.params import SOT, STATISTICS, paper_params

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


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="kind must be one of hands"):
        paper_params("feet")
