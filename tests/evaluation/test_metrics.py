import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mmseg.evaluation.metrics import IoUMetric

from face_occlusion.evaluation import metrics
from face_occlusion.evaluation.bootstrap import resample_weights
from face_occlusion.evaluation.measures import MEASURES, averaged, resample_every, summarise
from tests.evaluation.conftest import make_view
from tests.tables import refuses

SHAPE = (5, 7)  # H != W, so swapped axes show
preds = arrays(bool, SHAPE)
targets = arrays(np.uint8, SHAPE, elements=st.sampled_from([0, 1, 255]))


def mmseg_scores(pairs):
    tensors = [[torch.from_numpy(labels.astype(np.int64)) for labels in pair] for pair in pairs]
    areas = [IoUMetric.intersect_and_union(*pair, 2, 255) for pair in tensors]
    total = (sum(area).double() for area in zip(*areas, strict=True))
    return IoUMetric.total_area_to_metrics(*total, ["mIoU", "mDice", "mFscore"])


def test_convention_counts_are_tn_fp_fn_tp_and_others_are_refused():
    target = np.array([[0, 0, 0, 1, 1, 255]], np.uint8)
    pred = np.array([[0, 1, 1, 0, 1, 1]], bool)
    counts = metrics.confusion_counts(pred, target)
    assert counts.tolist() == [1, 2, 1, 1]
    assert counts.reshape(2, 2).tolist() == [[1, 2], [1, 1]]
    refuses(r"share one \(H, W\)", metrics.confusion_counts, pred.T, target)
    refuses("target must hold 0, 1 and 255", metrics.confusion_counts, pred, target + 7)


@given(preds, targets)
def test_counts_add_up_to_the_counted_pixels_and_leave_inputs_alone(pred, target):
    before = pred.copy(), target.copy()
    counts = metrics.confusion_counts(pred, target)
    assert counts.sum() == (target != 255).sum()
    assert (pred == before[0]).all() and (target == before[1]).all()


@given(st.lists(st.tuples(preds, targets), min_size=1, max_size=4))
def test_scores_equal_mmseg_iou_metric(pairs):
    counts = sum(metrics.confusion_counts(*pair) for pair in pairs)
    expected = mmseg_scores(pairs)
    known = expected["IoU"][~np.isnan(expected["IoU"])]  # a class in neither is left out
    for score, wanted in (
        (metrics.iou_per_class, expected["IoU"]),
        (metrics.dice_per_class, expected["Dice"]),
        (metrics.pixel_accuracy, expected["aAcc"]),
        (metrics.precision, expected["Precision"][1]),
        (metrics.recall, expected["Recall"][1]),
        (metrics.mean_iou, known.mean() if len(known) else np.nan),
    ):
        np.testing.assert_allclose(score(counts), wanted, atol=1e-6)


def test_frequency_weighted_iou_hides_a_lost_face():
    counts = np.array([980, 0, 20, 0])  # a small face that is missed altogether
    assert metrics.iou_per_class(counts)[1] == 0
    assert metrics.frequency_weighted_iou(counts) == pytest.approx(0.98 * 0.98)
    assert metrics.frequency_weighted_iou(counts) > metrics.mean_iou(counts) + 0.4
    assert np.isnan(metrics.frequency_weighted_iou(np.zeros(4)))


def error_of(probability, target):
    counts = metrics.calibration_counts(probability, target)
    return float(metrics.expected_calibration_error(counts.ravel()))


def test_calibration_counts_are_numpys_histograms():
    rng = np.random.default_rng(9)
    probability = rng.beta(0.2, 0.3, (211, 307)).astype(np.float32)  # mostly near 0 and 1
    target = rng.choice(np.array([0, 1, 255], np.uint8), (211, 307))
    counts = metrics.calibration_counts(probability, target)
    counted = target != 255
    for column, weights in enumerate((np.ones(target.shape), probability, target == 1)):
        weights = weights[counted].astype(float)
        want, _ = np.histogram(probability[counted], metrics.NUM_BINS, (0, 1), weights=weights)
        rounding = 5e-5 * counts[:, 0] * (column == 1)
        assert (np.abs(counts[:, column] - want) <= 1 + rounding).all()  # a float on an edge
    assert counts[:, 0].sum() == counted.sum()


def test_error_is_zero_for_honest_probabilities_large_for_overconfident_ones_else_undefined():
    rng = np.random.default_rng(3)
    probability = rng.random((400, 500)).astype(np.float32)
    target = (rng.random((400, 500)) < probability).astype(np.uint8)
    assert error_of(probability, target) < 0.01
    overconfident = np.where(probability > 0.5, 0.99, 0.01).astype(np.float32)
    assert error_of(overconfident, target) == pytest.approx(0.24, abs=0.02)
    assert np.isnan(metrics.expected_calibration_error(np.zeros(3 * metrics.NUM_BINS)))


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
