import numpy as np
import pytest

from face_occlusion.evaluation.skin_tone import ita_deg

FACE = np.zeros((30, 44), bool)
FACE[5:25, 8:36] = True


def painted(rgb, around=(0, 0, 0)):
    image = np.full((*FACE.shape, 3), around, np.uint8)
    image[FACE] = rgb
    return image


def reference(rgb):
    """CIELAB of one sRGB colour under D65 by its definition (IEC 61966-2-1, CIE 15)."""
    value = np.asarray(rgb) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    matrix = [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
    xyz = np.array(matrix) @ linear / np.array([0.95047, 1.0, 1.08883])
    root = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    lightness, yellow = 116 * root[1] - 16, 200 * (root[1] - root[2])
    return float(np.degrees(np.arctan((lightness - 50) / yellow)))


@pytest.mark.parametrize(
    "rgb", [(245, 215, 190), (224, 172, 138), (198, 134, 96), (141, 85, 56), (74, 46, 33)]
)
def test_angle_is_that_of_the_definition(rgb):
    assert ita_deg(painted(rgb), FACE) == pytest.approx(reference(rgb), abs=0.3)


def test_lighter_is_larger_and_what_is_not_face_does_not_count():
    light, dark = ita_deg(painted((240, 210, 180)), FACE), ita_deg(painted((90, 60, 40)), FACE)
    assert light > 41 and dark < -30
    assert ita_deg(painted((90, 60, 40), around=(255, 255, 255)), FACE) == dark


def test_the_same_skin_under_less_light_measures_darker():
    skin = np.array([224, 172, 138])
    assert ita_deg(painted(skin // 2), FACE) < ita_deg(painted(skin), FACE) - 30


def test_no_face_and_a_grey_picture_have_no_angle():
    assert ita_deg(painted((200, 150, 120)), np.zeros_like(FACE)) is None
    assert ita_deg(painted((150, 150, 150)), FACE) is None


def test_size_hardly_matters():
    image = painted((198, 134, 96))
    large = np.kron(image, np.ones((20, 20, 1), np.uint8))
    angle = ita_deg(large, np.kron(FACE, np.ones((20, 20), bool)))
    assert angle == pytest.approx(ita_deg(image, FACE), abs=0.1)
