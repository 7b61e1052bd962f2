import numpy as np
import pytest

from face_occlusion.evaluation.boundary import boundary_counts
from face_occlusion.evaluation.calibration import calibration_counts
from face_occlusion.evaluation.counting import count_sample
from face_occlusion.evaluation.metrics import confusion_counts
from face_occlusion.evaluation.occluded import Regions
from face_occlusion.evaluation.reading import Sample

SHAPE = (60, 80)


class Ready:
    """A prediction that has come."""

    def __init__(self, probability):
        self.probability = probability

    def numpy(self):
        return self.probability


@pytest.fixture
def sample():
    target = np.zeros(SHAPE, np.uint8)
    target[6:54, 12:66] = 1
    target[20:40, 26:52] = 0  # a hole: an occluder
    target[:, 70:] = 255
    image = np.full((*SHAPE, 3), 128, np.uint8)
    return Sample(key="a", name="a", image=image, target=target, occluder_kind=None)


def test_each_column_counts_its_own_region(sample):
    probability = np.random.default_rng(1).random(SHAPE).astype(np.float32)
    columns = count_sample(sample, {"last": Ready(probability)}, 0).tallies["last"].columns
    pred, target, regions = probability >= 0.5, sample.target, Regions.of(sample.target)
    assert columns["counts"].tolist() == confusion_counts(pred, target).tolist()
    assert columns["boundary"].tolist() == boundary_counts(pred, target).tolist()
    for name, region in (("occluded", regions.occluded), ("border", regions.border)):
        inside = np.where(region, target, 255).astype(np.uint8)
        assert columns[name].tolist() == confusion_counts(pred, inside).tolist(), name
        assert columns[name].sum() == region.sum() > 0
    assert columns["occluded"].tolist() != columns["border"].tolist()
    expected = calibration_counts(probability, target)
    np.testing.assert_array_equal(columns["calibration"], expected)


def test_convention_a_probability_of_one_half_is_face(sample):
    half = np.full(SHAPE, 0.5, np.float32)
    counts = count_sample(sample, {"last": Ready(half)}, 0).tallies["last"].columns["counts"]
    assert counts[[0, 2]].tolist() == [0, 0]


def test_facts_are_of_the_mask(sample):
    facts = count_sample(sample, {"last": Ready(np.zeros(SHAPE, np.float32))}, 0).facts
    assert facts.size == SHAPE
    assert facts.face_px == 48 * 54 - 20 * 26
    assert facts.occluded_px == 20 * 26
    assert facts.ita_deg is None  # grey
