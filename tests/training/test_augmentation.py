from collections.abc import Sequence
from dataclasses import replace

import cv2
import mmcv
import numpy as np
import pytest
import torch
from mmseg.datasets.transforms import PhotoMetricDistortion

from face_occlusion.core.classes import IGNORED
from face_occlusion.training.augmentation import (
    Augmentations,
    augment,
    distort,
    move,
    sample_augmentation,
    stack_samples,
)
from face_occlusion.training.settings import AugmentParams
from tests.releases.build import photo
from tests.tables import rows

NEUTRAL = [0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0]
PARAMS = AugmentParams(flip_prob=0.5, rotation_prob=0.5, rotation_deg=30, photometric=True)


def stacked(rows: Sequence[Sequence[float]]) -> Augmentations:
    return Augmentations(*stack_samples(rows))


def as_batch(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None]


def as_image(batch: torch.Tensor) -> np.ndarray:
    return batch[0].permute(1, 2, 0).numpy()


def face_map() -> np.ndarray:
    seg_map = np.zeros((48, 64), np.uint8)
    cv2.ellipse(seg_map, (30, 20), (15, 11), 20.0, 0.0, 360.0, 1, -1)
    return seg_map


def test_neutral_draws_change_nothing_and_a_flip_mirrors_image_and_map():
    image, seg_map = photo(48, 64), face_map()
    for row, order in ((NEUTRAL, 1), ([1.0, *NEUTRAL[1:]], -1)):
        out, out_map = augment(as_batch(image), torch.from_numpy(seg_map)[None], stacked([row]))
        np.testing.assert_array_equal(as_image(out), image[:, ::order])
        np.testing.assert_array_equal(out_map[0].numpy(), seg_map[:, ::order])


@pytest.mark.parametrize("angle", [-30.0, -7.5, 12.0, 29.0])
def test_rotation_equals_mmcv_imrotate(angle):
    image, seg_map = photo(48, 64), face_map()
    row = [0.0, angle, *NEUTRAL[2:]]
    out, out_map = move(as_batch(image).float(), torch.from_numpy(seg_map)[None], stacked([row]))
    want = mmcv.imrotate(image, angle, border_value=0)
    want_map = mmcv.imrotate(seg_map, angle, border_value=IGNORED, interpolation="nearest")
    # OpenCV interpolates at 1/32 pixel.
    assert np.abs(as_image(out) - want).mean() < 1.0
    assert (out_map[0].numpy() == want_map).mean() > 0.98
    assert set(np.unique(out_map)) == {0, 1, IGNORED}


@pytest.mark.parametrize(("zoom", "shift"), [(0.5, (0.5, -0.25)), (2.0, (-1.0, 0.5))])
def test_zoom_and_shift_equal_a_resized_image_pasted(zoom, shift):
    image, seg_map = photo(48, 64), face_map()
    row = [*NEUTRAL[:7], zoom, *shift, *NEUTRAL[10:]]
    out, out_map = move(as_batch(image).float(), torch.from_numpy(seg_map)[None], stacked([row]))
    (x, y), (height, width) = shift, seg_map.shape
    to_out = np.array(
        [[zoom, 0, (1 + x - zoom) * width / 2], [0, zoom, (1 + y - zoom) * height / 2]]
    )
    to_out[:, 2] += (zoom - 1) / 2  # OpenCV counts from the first pixel's centre
    want = cv2.warpAffine(image, to_out, (width, height), flags=cv2.INTER_LINEAR)
    want_map = cv2.warpAffine(
        seg_map, to_out, (width, height), flags=cv2.INTER_NEAREST, borderValue=(IGNORED,)
    )
    assert np.abs(as_image(out) - want).mean() < 1.0
    assert (out_map[0].numpy() == want_map).mean() > 0.97


def test_an_image_without_colour_has_its_luma():
    image = photo(48, 64)
    out = as_image(distort(as_batch(image).float(), stacked([[*NEUTRAL[:10], 1.0, *NEUTRAL[11:]]])))
    want = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    assert np.abs(out - want[..., np.newaxis].astype(float)).max() <= 1


@pytest.mark.parametrize("degrees", [0.0, 90.0, 180.0, 270.0])
def test_a_shadow_darkens_what_lies_beyond_its_edge_and_nothing_else(degrees):
    image = np.full((64, 64, 3), 200, np.uint8)
    row = [*NEUTRAL[:11], 0.5, degrees, 0.5, 0.01, 0.0]
    out = as_image(distort(as_batch(image).float(), stacked([row])))
    want = image.copy()
    want[:, 48:] = 100  # three quarters to the right
    np.testing.assert_array_equal(out, np.rot90(want, -round(degrees / 90)))


def test_a_soft_shadow_fades_over_its_width_and_a_bent_one_leaves_the_middle():
    image = np.full((65, 65, 3), 200, np.uint8)
    soft, bent = ([*NEUTRAL[:11], 0.5, 0.0, 0.0, *edge] for edge in ((1.0, 0.0), (0.01, -1.0)))
    batch = as_batch(image).float().expand(2, -1, -1, -1)
    faded, curved = distort(batch, stacked([soft, bent]))[:, 0].numpy()
    np.testing.assert_array_equal(faded[0, [0, 16, 32, 48, 64]], [200, 200, 150, 100, 100])
    assert curved[32, 31] == 200 and curved[32, 33] == 100  # along the middle it begins at 0
    assert curved[0, 1] == 100  # at the top at once


def test_zooms_shrink_as_often_as_they_enlarge_and_lose_nothing_they_need_not():
    params = replace(PARAMS, zoom_range=[0.5, 2.0], grey_prob=0.2, shadow_prob=0.5)
    rows = np.array([sample_augmentation(np.random.default_rng(n), params) for n in range(2000)])
    zoom, x, y, grey = rows.T[7:11]
    assert 0.5 <= zoom.min() < 0.51 and 1.98 < zoom.max() <= 2
    assert (zoom < 1).mean() == pytest.approx(0.5, abs=0.04)
    assert (np.abs([x, y]) <= np.abs(zoom - 1)).all()
    assert grey.mean() == pytest.approx(0.2, abs=0.04)
    light = rows[:, 11]
    assert (light < 1).mean() == pytest.approx(0.5, abs=0.04) and 0.3 <= light.min() < 0.32


def in_hsv(bgr, channel, change):
    hsv = mmcv.bgr2hsv(np.ascontiguousarray(bgr))
    hsv[..., channel] = change(hsv[..., channel])
    return mmcv.hsv2bgr(hsv)


def published(image, brightness, contrast, saturation, hue, contrast_last):
    """Run PhotoMetricDistortion's own steps with given numbers, on BGR; what is neutral is left."""
    convert = PhotoMetricDistortion().convert
    out = convert(image[..., ::-1], beta=brightness)
    out = out if contrast_last else convert(out, alpha=contrast)
    if saturation != 1:
        out = in_hsv(out, 1, lambda values: convert(values, alpha=saturation))
    if hue:
        out = in_hsv(out, 0, lambda values: (values.astype(int) + hue) % 180)
    return (convert(out, alpha=contrast) if contrast_last else out)[..., ::-1]


@pytest.mark.parametrize("contrast_last", [False, True])
@pytest.mark.parametrize("drawn", rows(__file__, "photometric"), ids=str)
def test_photometric_distortion_equals_mmsegmentation(drawn, contrast_last):
    image = photo(48, 64, 3)
    want = published(image, *drawn, contrast_last)
    brightness, contrast, saturation, hue = drawn
    row = [0, 0, brightness, contrast, float(contrast_last), saturation, 2.0 * hue, *NEUTRAL[7:]]
    out = as_image(distort(as_batch(image).float(), stacked([row])))
    # OpenCV keeps hue in steps of 2 degrees and saturation in 256 steps; float32 does not.
    limit = 1 if saturation == 1 and not hue else 6
    assert np.abs(out - want.astype(float)).max() <= limit
    assert np.abs(out - want.astype(float)).mean() < 1.0


def test_a_batch_equals_its_samples_one_by_one():
    images = torch.cat([as_batch(photo(48, 64, seed)) for seed in range(4)])
    seg_maps = torch.from_numpy(np.stack([face_map()] * 4))
    rows = [sample_augmentation(np.random.default_rng([seed, 5]), PARAMS) for seed in range(4)]
    together, _ = augment(images, seg_maps, stacked(rows))
    alone = [augment(images[n, None], seg_maps[n, None], stacked([rows[n]]))[0] for n in range(4)]
    assert (together - torch.cat(alone)).abs().max() <= 1


def test_draws_have_the_published_distribution():
    rows = np.array(
        [sample_augmentation(np.random.default_rng([n, 1]), PARAMS) for n in range(4000)]
    )
    flip, angle, brightness, contrast, last, saturation, hue = rows.T[:7]
    assert (rows[:, 7:12] == NEUTRAL[7:12]).all()
    tolerance = 0.03  # 4 standard errors of a share of 4000
    neutral = zip((flip, angle, brightness, contrast, last, saturation), NEUTRAL, strict=False)
    for column, value in neutral:
        assert (column != value).mean() == pytest.approx(0.5, abs=tolerance)
    assert (hue != 0).mean() == pytest.approx(0.5 * 35 / 36, abs=tolerance)  # 0 may be drawn
    assert -30 <= angle.min() < -29 and 29 < angle.max() <= 30
    assert -32 <= brightness.min() < -31 and 31 < brightness.max() <= 32
    for factor in (contrast, saturation):
        assert 0.5 <= factor.min() < 0.52 and 1.48 < factor.max() <= 1.5
    assert set(hue / 2) == set(range(-18, 18))  # numpy's randint leaves out the end
    assert angle[angle != 0].std() == pytest.approx(60 / np.sqrt(12), rel=0.05)
    params = AugmentParams(flip_prob=0, rotation_prob=0, rotation_deg=30, photometric=False)
    row = sample_augmentation(np.random.default_rng(1), params)
    assert [*row[:4], *row[5:12]] == [*NEUTRAL[:4], *NEUTRAL[5:12]]
