"""Segmentation scores from pixel counts: count first, score after.

Every score takes counts of shape (..., 4) in the order [tn, fp, fn, tp] with face as the positive
class, so that one image, a pooled benchmark, and thousands of bootstrap resamples go the same way.
Classes: 0 background, 1 face; pixels of value 255 in the target are not counted.
"""

import cv2
import numpy as np

from face_occlusion.core.classes import IGNORED

CLASSES = ("background", "face")
NUM_BINS = 10  # of predicted probability, for the calibration
_STEPS = 1000  # fine steps within a bin: a probability counts as 5e-5 more or less, at most
_CENTRES = ((np.arange(NUM_BINS * _STEPS) + 0.5) / (NUM_BINS * _STEPS)).reshape(NUM_BINS, _STEPS)


def confusion_counts(pred: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Count the pixels of one image by target and prediction.

    Args:
        pred: (H, W) bool, True where face; (P,) for a region's pixels.
        target: The same of uint8: 0 background, 1 face, 255 not counted; else a ValueError.

    Returns:
        (4,) int64 [tn, fp, fn, tp]; reshaped to (2, 2) its row is the target.
    """
    if pred.shape != target.shape or pred.ndim not in (1, 2):
        raise ValueError(f"pred and target must share one (H, W); got {pred.shape}, {target.shape}")
    face = target == 1
    background = target == 0
    num_face, num_background = np.count_nonzero(face), np.count_nonzero(background)
    if num_face + num_background + np.count_nonzero(target == IGNORED) != target.size:
        raise ValueError(f"target must hold 0, 1 and 255; got {np.unique(target)[:8]}")
    tp = np.count_nonzero(pred & face)
    fp = np.count_nonzero(pred & background)
    return np.array([num_background - fp, fp, num_face - tp, tp], dtype=np.int64)


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Divide elementwise, as float64; NaN where the denominator is 0."""
    numerator = np.asarray(numerator, dtype=float)
    denominator = np.asarray(denominator, dtype=float)
    out = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    return np.divide(numerator, denominator, out=out, where=denominator > 0)


def _mean_of_present(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis, leaving NaN out; NaN where nothing is left."""
    present = ~np.isnan(values)
    return ratio(np.where(present, values, 0).sum(axis=-1), present.sum(axis=-1))


def _right_and_wrong(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return of (..., 4) counts the right pixels of each class, (..., 2), and all wrong, (..., 1).

    A wrong pixel belongs to the target of one class and to the prediction of the other.
    """
    tn, fp, fn, tp = np.moveaxis(np.asarray(counts), -1, 0)
    return np.stack([tn, tp], axis=-1), (fp + fn)[..., np.newaxis]


def iou_per_class(counts: np.ndarray) -> np.ndarray:
    """Intersection over union of each class, of counts (..., 4).

    Returns (..., 2) float64 in [0, 1], background then face; NaN for a class in neither target nor
    prediction, so that the mean skips it as mmseg's IoUMetric does.
    """
    right, wrong = _right_and_wrong(counts)
    return ratio(right, right + wrong)


def mean_iou(counts: np.ndarray) -> np.ndarray:
    """Mean IoU over the classes that occur, of counts (..., 4); float64 in [0, 1].

    On counts summed over a benchmark this is the headline: pooled over pixels, as in
    MMSegmentation, so that an image of 18 megapixels weighs 18 times one of 1 megapixel.
    """
    return _mean_of_present(iou_per_class(counts))


def dice_per_class(counts: np.ndarray) -> np.ndarray:
    """Dice coefficient of each class, the F1 score of its pixels: 2 TP / (2 TP + FP + FN).

    Of counts (..., 4); returns (..., 2) as `iou_per_class`.
    """
    right, wrong = _right_and_wrong(counts)
    return ratio(2 * right, 2 * right + wrong)


def mean_dice(counts: np.ndarray) -> np.ndarray:
    """Mean Dice (F1) over the classes that occur, of counts (..., 4); float64 in [0, 1]."""
    return _mean_of_present(dice_per_class(counts))


def precision(counts: np.ndarray) -> np.ndarray:
    """Precision of the face class, TP / (TP + FP), of counts (..., 4); NaN where undefined."""
    _, fp, _, tp = np.moveaxis(np.asarray(counts), -1, 0)
    return ratio(tp, fp + tp)


def recall(counts: np.ndarray) -> np.ndarray:
    """Recall of the face class, TP / (TP + FN), of counts (..., 4); NaN where undefined."""
    _, _, fn, tp = np.moveaxis(np.asarray(counts), -1, 0)
    return ratio(tp, fn + tp)


def frequency_weighted_iou(counts: np.ndarray) -> np.ndarray:
    """IoU of the classes weighted by their share of the target's pixels, of counts (..., 4).

    The paper asks for it under "Class imbalance" (section 4.2). Background is the more frequent
    class, so this weighs background more than the plain mean does, and so hides the problem that
    it is asked to show: read the IoU of the face class, or the boundary IoU, instead.
    """
    counts = np.asarray(counts)
    of_class = counts[..., ::2] + counts[..., 1::2]  # [tn + fp, fn + tp]
    share = ratio(of_class, counts.sum(axis=-1, keepdims=True))
    iou = iou_per_class(counts)  # as `share`, (..., 2)
    weighted = np.where(np.isnan(iou), 0, iou) * share  # a class in neither has share 0
    return weighted.sum(axis=-1)


def pixel_accuracy(counts: np.ndarray) -> np.ndarray:
    """Share of the counted pixels that are right, of counts (..., 4); NaN without pixels."""
    return ratio(_right_and_wrong(counts)[0].sum(axis=-1), np.sum(counts, axis=-1))


def calibration_counts(probability: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Count the pixels of one image by predicted probability of face.

    Takes (H, W) float32 in [0, 1] and a uint8 seg_map. One fine histogram of integers, which is ten
    times as fast as sums in 10 bins. Returns (NUM_BINS, 3) float64: pixels in the bin, sum of their
    probabilities to three decimals (so that files stay small), face pixels.
    """
    num = NUM_BINS * _STEPS
    place = np.minimum(probability * num, num - 1).astype(np.uint16)
    place += (target == 1) * np.uint16(num)
    place += (target == IGNORED) * np.uint16(2 * num)
    counts = cv2.calcHist([place], [0], None, [3 * num], [0, 3 * num]).astype(float)
    background, faces = counts.reshape(3, NUM_BINS, _STEPS)[:2]  # the third is not counted
    counted = background + faces
    probabilities = (counted * _CENTRES).sum(axis=1).round(3)
    return np.stack([counted.sum(axis=1), probabilities, faces.sum(axis=1)], axis=1)


def expected_calibration_error(counts: np.ndarray) -> np.ndarray:
    """Mean gap between probability and share of face, weighted by pixels (Naeini et al. 2015).

    Takes (..., 3 * NUM_BINS) of `calibration_counts`, flat; float64 in [0, 1], NaN without pixels.
    """
    bins = np.reshape(np.asarray(counts, dtype=float), (*np.shape(counts)[:-1], NUM_BINS, 3))
    pixels, probability, faces = np.moveaxis(bins, -1, 0)  # each (..., NUM_BINS)
    return ratio(np.abs(probability - faces).sum(axis=-1), pixels.sum(axis=-1))
