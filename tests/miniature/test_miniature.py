"""What is drawn: masks, tones, landmarks."""

from dataclasses import replace

import numpy as np
import pytest

from face_occlusion.evaluation.counting import ita_deg
from face_occlusion.miniature.canvas import FACE_PARTS, SUPERSAMPLE, Part, coverage
from face_occlusion.miniature.held import CALLED_SKIN, HELD
from face_occlusion.miniature.person import person_of, picture_rng, sample_view
from face_occlusion.miniature.portraits import LANDMARKS, Portrait, face_landmarks, paint_portrait
from face_occlusion.miniature.release_faces import part_masks
from face_occlusion.miniature.worn import WORN

SHAPE = (96, 120)  # height differs from width, so swapped axes show


def paint(identity: int, shape: tuple[int, int] = SHAPE) -> tuple[Portrait, np.random.Generator]:
    person, rng = person_of(identity, 3), picture_rng(identity, 0, 3)
    view = sample_view(rng, person)
    return paint_portrait(person, view, shape, rng), rng


OTHER_CLOTH = [("mask", 10), ("scarf", 3)]  # a white mask, a scarf of the skin's colour


@pytest.mark.parametrize(
    ("kind", "identity"), [*((kind, 2) for kind in (*HELD, *WORN)), *OTHER_CLOTH]
)
def test_an_occluder_takes_away_and_never_adds_face(kind: str, identity: int):
    portrait, rng = paint(identity)
    before = portrait.face()
    ({**HELD, **WORN})[kind](portrait, rng)
    after = portrait.face()
    assert not (after & ~before).any()
    assert 0.01 < 1 - after.sum() / before.sum() < 0.9
    labels = portrait.canvas.labels
    new = set(np.unique(labels[labels != portrait.uncovered]).tolist())
    assert new <= {Part.OCCLUDER, Part.HAT, Part.EYE_G}
    assert before.shape == SHAPE and portrait.photograph(rng).shape == (*SHAPE, 3)


def test_training_and_benchmarks_share_no_occluder():
    assert not set(HELD) & set(WORN) and set(CALLED_SKIN) <= set(HELD)


@pytest.mark.parametrize("identity", [7, 8])
def test_layers_do_not_overlap_and_rebuild_the_face(identity: int):
    portrait, _ = paint(identity, (96, 96))
    corrected, layers = part_masks(portrait, mistaken=False)
    face = {part.name.lower() for part in FACE_PARTS}
    inner = np.sum([mask for name, mask in layers.items() if name in face], axis=0)
    others = [mask for name, mask in layers.items() if name not in face]
    assert inner.max() == 1
    np.testing.assert_array_equal((inner > 0) & ~np.any(others, axis=0), corrected)
    assert corrected.shape == (48, 48)  # half the photograph


def test_a_hand_is_called_skin_only_where_it_covers_the_face():
    portrait, rng = paint(9, (96, 96))
    whole = coverage(np.isin(portrait.uncovered, FACE_PARTS), 2 * SUPERSAMPLE)
    HELD["hand"](portrait, rng)
    corrected, right = part_masks(portrait, mistaken=False)
    again, wrong = part_masks(portrait, mistaken=True)
    np.testing.assert_array_equal(corrected, again)
    added = wrong["skin"] & ~right["skin"]
    assert added.sum() > 10
    assert not (added & corrected & right["skin"]).any()
    assert not (added & ~whole).any()


@pytest.mark.parametrize("yaw_deg", [-25, 0, 25])
def test_a_turned_nose_points_where_the_head_turns(yaw_deg: float):
    person, rng = person_of(3, 3), np.random.default_rng(0)
    still = {"roll_rad": 0.0, "pitch": 0.0, "centre_xy": (0.5, 0.47)}
    view = replace(sample_view(rng, person), yaw_rad=np.deg2rad(yaw_deg), **still)
    points, _ = face_landmarks(paint_portrait(person, view, (96, 96), rng))
    assert np.sign(round(points[LANDMARKS.index("nose tip"), 0] - 48)) == np.sign(yaw_deg)
    for left, right in ((0, 1), (2, 3), (8, 9), (10, 11), (16, 17), (18, 19), (22, 23)):
        assert points[left, 0] < points[right, 0]  # left and right of the picture
    assert points[0, 0] < points[2, 0] and points[3, 0] < points[1, 0]  # outer ends outside
    assert np.all(np.diff(points[24:29, 1]) >= 0)  # lips from above to below, then the chin


def test_landmarks_lie_on_their_parts_and_covered_ones_are_hidden():
    for identity in range(6):
        portrait, rng = paint(identity, (128, 128))
        points, before = face_landmarks(portrait)
        column, row = (points[[16, 17]] * SUPERSAMPLE).astype(int).T  # the pupils
        labels = portrait.uncovered[row, column]
        hidden = ~np.isin(labels, FACE_PARTS)
        assert all(np.isin(labels, (Part.L_EYE, Part.R_EYE)) | hidden), (identity, labels)
    WORN["mask"](portrait, rng)
    _, after = face_landmarks(portrait)
    assert after[24:28].all() and not after[16:18].all()
    assert (after | ~before).all()  # nothing comes into view


def test_drawn_faces_span_the_tones():
    """By the individual typology angle (Chardon et al. 1991): light from 41, dark below -30."""
    portraits = (paint(identity) for identity in range(12))
    angles = [ita_deg(portrait.photograph(rng), portrait.face()) for portrait, rng in portraits]
    assert max(angles) > 35 and min(angles) < -30
