import numpy as np
import pytest

from face_occlusion.reporting import pictures
from face_occlusion.reporting.per_image import most_changed, pick_by_difference, pick_most_corrected


def test_thumbnail_keeps_the_aspect_and_centres():
    small = pictures.thumbnail(np.full((20, 40, 3), 200, np.uint8), 10)
    mask = pictures.thumbnail_mask(np.ones((20, 40), bool), 10)
    assert (small[3:7] == 200).all() and (small[0] == 128).all() and len(small) == 10
    assert mask[3:7].all() and not mask[0].any()


def test_errors_are_coloured_and_ignored_pixels_are_not():
    image = np.full((1, 5, 3), 200, np.uint8)
    pred = np.array([[1, 1, 0, 0, 1]], bool)
    target = np.array([[1, 0, 1, 0, 255]], np.uint8)
    right, extra, missed, background, ignored = pictures.coloured_errors(image, pred, target)[0]
    assert tuple(right) == tuple(ignored) == (200, 200, 200)
    assert tuple(background) == (70, 70, 70)
    assert extra[0] > extra[2] and missed[2] > missed[0]
    assert abs(int(extra.sum()) - int(missed.sum())) > 100  # they part in grey too
    image, nothing = np.full((64, 64, 3), 100, np.uint8), np.zeros((64, 64), bool)
    striped = pictures.coloured_errors(image, nothing, np.ones((64, 64), np.uint8))
    assert 0.1 < (striped @ [0.299, 0.587, 0.114] > 100).mean() < 0.4  # missed face, seen in grey


def test_outline_draws_on_the_edge_only_and_leaves_the_image_alone():
    image = np.full((40, 60, 3), 100, np.uint8)
    mask = np.zeros((40, 60), bool)
    mask[10:30, 10:40] = True
    drawn = pictures.outlined(image, mask, (255, 176, 0))
    assert (image == 100).all()
    assert (drawn[20, 25] == 100).all() and (drawn[2, 50] == 100).all()
    red, _, blue = drawn[10, 20]
    assert red > 200 and blue < 60
    assert (pictures.outlined(image, mask, (255, 176, 0), tint=0.5)[20, 25] != 100).any()


def test_an_outlines_path_goes_round_the_mask():
    mask = np.zeros((20, 30), bool)
    mask[5:10, 10:25] = True
    corners = pictures.outline_path(mask).removeprefix("M").removesuffix("Z").split("L")
    assert sorted(corners) == ["10.5 5.5", "10.5 9.5", "24.5 5.5", "24.5 9.5"]
    mask[15, 2] = True
    assert pictures.outline_path(mask).count("M") == pictures.outline_path(mask).count("Z") == 2
    assert pictures.outline_path(np.zeros((3, 4), bool)) == ""


def test_picks_are_the_best_median_and_worst_difference(grid):
    question = grid, "realocc", ("c_wo_natocc", "c_wo")
    picks = pick_by_difference(*question, 2)
    assert [pick.rule for pick in picks] == ["best"] * 2 + ["median"] * 2 + ["worst"] * 2
    differences = [pick.difference for pick in picks]
    assert differences == sorted(differences, reverse=True)
    everything = {pick.key: pick for pick in pick_by_difference(*question, 5)}
    assert len(everything) == 14
    assert picks[0] == everything[picks[0].key] and picks[-1] == list(everything.values())[-1]
    assert pick_by_difference(grid, "cofw", ("c_wo_natocc", "c_wo"), 2) == []
    among = set(sorted(everything)[::3])
    some = pick_by_difference(*question, 9, models=["pspnet"], among=among)
    assert {pick.key for pick in some} == among
    assert any(pick.difference != everything[pick.key].difference for pick in some)


def test_most_changed_pictures_come_first_and_unchanged_ones_not_at_all(inputs):
    changes = {"a": 1.0, "b": 3.0, "c": 0.0, "d": 3.0}
    assert most_changed(list(changes), changes.__getitem__, 3) == [("b", 3.0), ("d", 3.0), ("a", 1)]
    faces = inputs.inventory.sets["faces/o"]
    for key, share in pick_most_corrected(faces, 3):
        corrected, original = faces.seg_map(key), faces.seg_map(key, "original.png")
        assert share == pytest.approx((corrected != original).sum() / (corrected == 1).sum())
    assert pick_most_corrected(inputs.inventory.sets["faces/wo"], 3) == []
