"""A cell may have several runs, which differ in their seed alone."""

from dataclasses import replace

from face_occlusion.core.params import build, read_yaml
from face_occlusion.training.settings import RunParams, TrainParams
from tests.conftest import ROOT


def test_a_run_may_have_a_seed_of_its_own():
    raw = read_yaml(ROOT / "params.yaml")
    train = build("train", raw["train"], TrainParams)
    entry = raw["runs"]["pspnet_c_wo"]
    assert build("run", entry, RunParams).seeded(train) == train
    again = build("run", entry | {"seed": train.seed + 1}, RunParams)
    assert again.seeded(train) == replace(train, seed=train.seed + 1)
