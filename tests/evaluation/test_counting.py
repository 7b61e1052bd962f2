import numpy as np
import pytest

from face_occlusion.evaluation import counting
from face_occlusion.evaluation.metrics import calibration_counts, confusion_counts
from face_occlusion.evaluation.regions import border_band, boundary_counts, occluded_region
from face_occlusion.generation.harmonisation.statistics import to_lab
from tests.evaluation.conftest import ready

SHAPE = (60, 80)
FACE = np.zeros((30, 44), bool)
FACE[5:25, 8:36] = True


def test_each_column_counts_its_own_region_and_one_half_is_face():
    target = np.zeros(SHAPE, np.uint8)
    target[6:54, 12:66] = 1
    target[20:40, 26:52] = 0  # a hole: an occluder
    target[:, 70:] = 255
    grey = np.full((*SHAPE, 3), 128, np.uint8)
    sample = counting.Sample(key="a", image=grey, target=target, occluder_kind=None)
    probability = np.random.default_rng(1).choice(np.float32([0.2, 0.5, 0.8]), SHAPE)
    facts, counts, preview = counting.count_sample(sample, {"last": ready(probability)}, 0)
    assert (facts.size, facts.face_px) == (SHAPE, 48 * 54 - 20 * 26)
    assert (facts.occluded_px, facts.ita_deg, preview) == (20 * 26, None, None)
    columns = counts["last"]
    pred, occluded = probability >= 0.5, occluded_region(target)
    assert columns["counts"].tolist() == confusion_counts(pred, target).tolist()
    assert columns["boundary"].tolist() == boundary_counts(pred, target).tolist()
    for name, region in (("occluded", occluded), ("border", border_band(occluded, target))):
        inside = np.where(region, target, 255).astype(np.uint8)
        assert columns[name].tolist() == confusion_counts(pred, inside).tolist(), name
        assert columns[name].sum() == region.sum() > 0
    assert columns["occluded"].tolist() != columns["border"].tolist()
    expected = calibration_counts(probability, target)
    np.testing.assert_array_equal(columns["calibration"], expected)


def painted(rgb, around=(0, 0, 0)):
    image = np.full((*FACE.shape, 3), around, np.uint8)
    image[FACE] = rgb
    return image


def reference(rgb):
    """Return the angle of one sRGB colour from CIELAB by its definition, not by OpenCV."""
    ((lightness,), _, (yellow,)) = to_lab(np.array([rgb]).T)
    return float(np.degrees(np.arctan((lightness - 50) / yellow)))


@pytest.mark.parametrize(
    "rgb", [(245, 215, 190), (224, 172, 138), (198, 134, 96), (141, 85, 56), (74, 46, 33)]
)
def test_angle_is_that_of_the_definition_at_any_size(rgb):
    image, expected = painted(rgb), pytest.approx(reference(rgb), abs=0.3)
    assert counting.ita_deg(image, FACE) == expected
    large = (np.kron(part, np.ones((20, 20, 1), part.dtype)) for part in (image, FACE[..., None]))
    assert counting.ita_deg(next(large), next(large)[..., 0]) == expected


def test_light_changes_the_angle_and_what_is_not_face_does_not():
    skin = np.array([224, 172, 138])
    light, dark = counting.ita_deg(painted(skin), FACE), counting.ita_deg(painted(skin // 2), FACE)
    assert dark < light - 30
    assert counting.ita_deg(painted(skin // 2, around=(255, 255, 255)), FACE) == dark
    assert counting.ita_deg(painted(skin), np.zeros_like(FACE)) is None
    assert counting.ita_deg(painted((150, 150, 150)), FACE) is None  # grey


def test_preview_keeps_small_masks_exactly_and_refuses_other_text():
    mask = np.random.default_rng(1).random((13, 29)) > 0.5
    np.testing.assert_array_equal(counting.decode_preview(counting.encode_preview(mask, 64)), mask)
    with pytest.raises(ValueError, match="not a PNG"):
        counting.decode_preview("AAAA")
