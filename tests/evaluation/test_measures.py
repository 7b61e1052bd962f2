import dataclasses

import numpy as np
import pytest

from face_occlusion.evaluation import metrics
from face_occlusion.evaluation.bootstrap import resample_weights
from face_occlusion.evaluation.measures import MEASURES, averaged, resample_every, summarise
from tests.evaluation.conftest import make_view


@pytest.fixture
def view():
    return make_view(np.random.default_rng(2), 6)


@pytest.mark.parametrize("key", MEASURES)
def test_a_resample_is_the_score_of_the_images_it_drew(view, key):
    weights = resample_weights(6, 9, np.random.default_rng(3))
    for row, score in zip(weights, resample_every(view, weights, [key])[key], strict=True):
        drawn = np.repeat(np.arange(6), row.astype(int))
        assert score == pytest.approx(summarise(view.take(drawn))[key])


def test_summary_is_what_the_counts_say(view):
    scores, occluded = summarise(view), view.occluded.sum(axis=0)
    total = tn, fp, fn, tp = view.counts.sum(axis=0)
    expected = {
        "miou": float(metrics.mean_iou(total)),
        "iou_face": tp / (tp + fp + fn),
        "precision_face": tp / (tp + fp),
        "recall_face": tp / (tp + fn),
        "dice_face": 2 * tp / (2 * tp + fp + fn),
        "dice_background": 2 * tn / (2 * tn + fp + fn),
        "mdice": (scores["dice_face"] + scores["dice_background"]) / 2,
        "boundary_iou": np.mean(view.boundary[:, 0] / view.boundary[:, 1]),
        "iou_occluded": occluded[0] / occluded[:2].sum(),
        "miou_per_image": np.mean([metrics.mean_iou(row) for row in view.counts]),
    }
    assert {key: scores[key] for key in expected} == pytest.approx(expected)


def test_per_image_mean_weighs_images_alike_and_no_region_leaves_its_scores_undefined(view):
    counts = np.array([[50, 0, 0, 50], [0, 5000, 0, 5000], [0, 0, 0, 0]])
    part = dataclasses.replace(view.take(np.arange(3)), counts=counts)
    scores = summarise(part)
    assert scores["miou_per_image"] == pytest.approx((1 + 0.25) / 2)  # NaN left out
    assert scores["miou"] < 0.3
    assert np.isnan(averaged(np.array([np.nan, 1.0]), np.array([[2.0, 0.0]])))[0]
    empty = np.zeros((6, 4), np.int64)
    scores = summarise(dataclasses.replace(view, occluded=empty, border=empty))
    undefined = {key for key, score in scores.items() if np.isnan(score)}
    assert undefined == {"iou_occluded", "miou_border"}
