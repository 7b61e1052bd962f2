"""Parameters of sets: the profile and the package hold the same; bad values are named."""

import dataclasses

import pytest

from face_occlusion.core.params import build
from face_occlusion.generation import GenerateParams
from face_occlusion.generation.params import SOT, STATISTICS, paper_params
from tests.tiny import profile

SETS = {
    "natocc_hand": paper_params("hands", seed=1),
    "natocc_hand_sot": paper_params("hands", seed=1, colour_transfer=SOT),
    "natocc_object": paper_params("objects", seed=2, harmonisation=STATISTICS),
    "randocc_1": paper_params("textures", seed=3),
    "randocc_2": paper_params("textures", seed=4),
}


def test_the_paper_s_profile_equals_the_package_s_settings():
    sections = profile("paper")["generate"]
    assert sections.keys() == SETS.keys()
    for name, values in sections.items():
        loaded = build(name, values, GenerateParams)
        assert dataclasses.asdict(loaded) == dataclasses.asdict(SETS[name]), name


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="kind must be one of hands"):
        paper_params("feet")
