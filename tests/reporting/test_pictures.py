import numpy as np
import pytest

from face_occlusion.reporting.curves import Curve, read_curves, thinned
from face_occlusion.reporting.picks import pick_by_difference, pick_most_corrected, spread
from face_occlusion.reporting.pictures import (
    coloured_errors,
    outlined,
    parse_colour,
    thumbnail,
    thumbnail_mask,
)


def test_thumbnail_keeps_the_aspect_and_centres():
    image = np.full((20, 40, 3), 200, np.uint8)
    small = thumbnail(image, 10)
    assert small.shape == (10, 10, 3)
    assert (small[3:7] == 200).all() and (small[0] == 128).all()
    mask = thumbnail_mask(np.ones((20, 40), bool), 10)
    assert mask[3:7].all() and not mask[0].any()


def test_outline_draws_on_the_edge_only_and_leaves_the_image_alone():
    image = np.full((40, 60, 3), 100, np.uint8)
    mask = np.zeros((40, 60), bool)
    mask[10:30, 10:40] = True
    drawn = outlined(image, mask, (255, 176, 0))
    assert (image == 100).all()
    assert (drawn[20, 25] == 100).all() and (drawn[2, 50] == 100).all()
    red, _, blue = drawn[10, 20]
    assert red > 200 and blue < 60
    assert (outlined(image, mask, (255, 176, 0), tint=0.5)[20, 25] != 100).any()


def test_errors_are_coloured_and_ignored_pixels_are_not():
    image = np.full((1, 5, 3), 200, np.uint8)
    pred = np.array([[1, 1, 0, 0, 1]], bool)
    target = np.array([[1, 0, 1, 0, 255]], np.uint8)
    right, extra, missed, background, ignored = coloured_errors(image, pred, target)[0]
    assert tuple(right) == tuple(ignored) == (200, 200, 200)
    assert tuple(background) == (70, 70, 70)
    assert extra[0] > extra[2] and missed[2] > missed[0]
    assert abs(int(extra.sum()) - int(missed.sum())) > 100  # they part in grey too


@pytest.mark.parametrize("text", ["ffb000", "#ffb00", "#ffb00g", "orange"])
def test_colours_are_hex(text):
    assert parse_colour("#ffb000") == (255, 176, 0)
    with pytest.raises(ValueError, match="#rrggbb"):
        parse_colour(text)


def test_spread_is_even_and_takes_the_ends():
    keys = [str(number) for number in range(10)]
    assert spread(keys, 3) == ["0", "4", "9"]
    assert spread(keys, 99) == keys


def test_picks_are_the_best_median_and_worst_difference(material):
    picks = pick_by_difference(material.grid, "realocc", ("c_wo_natocc", "c_wo"), 2)
    assert [pick.rule for pick in picks] == ["best"] * 2 + ["median"] * 2 + ["worst"] * 2
    differences = [pick.difference for pick in picks]
    assert differences == sorted(differences, reverse=True)
    everything = pick_by_difference(material.grid, "realocc", ("c_wo_natocc", "c_wo"), 5)
    assert len({pick.key for pick in everything}) == len(everything) == 14
    assert picks[0] == everything[0] and picks[-1] == everything[-1]
    assert pick_by_difference(material.grid, "cofw", ("c_wo_natocc", "c_wo"), 2) == []


def test_most_corrected_faces_come_first(material):
    picks = pick_most_corrected(material.inventory.sets["faces/o"], 3)
    shares = [share for _, share in picks]
    assert shares == sorted(shares, reverse=True) and shares[-1] > 0
    assert pick_most_corrected(material.inventory.sets["faces/wo"], 3) == []


def test_curves_are_read_where_they_were_logged(project):
    models = project[0] / "models"
    curves = read_curves(models, ["pspnet_c_wo", "nothing"], "loss")
    assert list(curves) == ["pspnet_c_wo"]
    assert curves["pspnet_c_wo"].steps[:2] == [4, 8]
    path = models / "pspnet_c_wo" / "dvclive" / "plots" / "metrics" / "broken.tsv"
    path.write_text("a\tb\n1\t2\n")
    with pytest.raises(ValueError, match=r"broken\.tsv: expected columns step, broken"):
        read_curves(models, ["pspnet_c_wo"], "broken")
    path.unlink()


def test_thinned_curve_averages_and_keeps_the_end():
    curve = Curve(run="x", steps=list(range(1, 11)), values=[float(v) for v in range(1, 11)])
    few = thinned(curve, 4)
    assert few.steps == [3, 6, 9, 10]
    assert few.values == [2.0, 5.0, 8.0, 10.0]
    assert thinned(curve, 10) is curve
