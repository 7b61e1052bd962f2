import cv2
import numpy as np
import pytest

from face_occlusion.occluders.direction import find_pose


def hand(angle_deg=0.0, *, spread=1.0, arm=200, size=(400, 500)):
    """A drawn hand whose fingers point to `angle_deg` (0 right, 90 down), arm to the other side."""
    height, width = size
    mask = np.zeros(size, np.uint8)
    centre = np.array([width / 2, height / 2])

    def turned(x, y):
        angle = np.deg2rad(angle_deg)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        return tuple(int(v) for v in np.rint(centre + turn @ (x, y)))

    cv2.circle(mask, turned(0, 0), 42, 1, -1)
    for finger in (-1.5, -0.5, 0.5, 1.5):
        cv2.line(mask, turned(25, finger * 20), turned(120, finger * 20 * spread), 1, 17)
    cv2.line(mask, turned(-5, 25), turned(45, 85), 1, 18)  # the thumb
    if arm:
        cv2.line(mask, turned(0, 0), turned(-arm, 0), 1, 60)
    return mask > 0


def apart_deg(one, other):
    return abs((one - other + 180) % 360 - 180)


@pytest.mark.parametrize("angle", range(-180, 180, 30))
@pytest.mark.parametrize("spread", [1.0, 1.8])
def test_fingers_point_away_from_the_arm(angle, spread):
    pose = find_pose(hand(angle, spread=spread, arm=600))
    assert apart_deg(pose.pointing_deg, angle) < 15
    assert pose.found_by == "fingers"


@pytest.mark.parametrize("angle", range(0, 360, 45))
def test_a_hand_that_ends_at_the_wrist_is_read_too(angle):
    pose = find_pose(hand(angle, arm=70))
    assert apart_deg(pose.pointing_deg, angle) < 20
    assert pose.enters == "none"


@pytest.mark.parametrize(
    ("angle", "edge"), [(0, "left"), (90, "top"), (180, "right"), (270, "bottom")]
)
def test_convention_enters_names_the_edge_behind_the_fingers(angle, edge):
    assert find_pose(hand(angle, arm=600)).enters == edge


def test_a_fist_points_away_from_its_arm():
    mask = np.zeros((400, 500), np.uint8)
    cv2.circle(mask, (250, 200), 60, 1, -1)
    cv2.line(mask, (250, 200), (250, 0), 1, 70)
    pose = find_pose(mask > 0)
    assert apart_deg(pose.pointing_deg, 90) < 10
    assert pose.enters == "top"


def test_a_bar_points_along_its_axis():
    mask = np.zeros((100, 300), bool)
    mask[45:55, 50:250] = True
    pose = find_pose(mask)
    assert min(apart_deg(pose.pointing_deg, 0), apart_deg(pose.pointing_deg, 180)) < 5


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (2, 3)])
def test_tiny_masks_have_some_direction(size):
    assert np.isfinite(find_pose(np.ones(size, bool)).pointing_deg)


def test_scale_does_not_matter():
    mask = hand(70, arm=600)
    large = cv2.resize(mask.astype(np.uint8), None, fx=3, fy=3, interpolation=cv2.INTER_NEAREST) > 0
    small, big = find_pose(mask), find_pose(large)
    assert apart_deg(small.pointing_deg, big.pointing_deg) < 3
    assert big.palm_radius_px == pytest.approx(3 * small.palm_radius_px, rel=0.05)


def test_an_empty_mask_is_refused():
    with pytest.raises(ValueError, match="an empty mask"):
        find_pose(np.zeros((4, 5), bool))
