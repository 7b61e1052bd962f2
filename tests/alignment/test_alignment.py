import cv2
import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from face_occlusion.alignment.alignment import align, align_image, align_seg_map, ffhq_square
from face_occlusion.core.arithmetic import rotate
from tests.releases.build import ellipse, photo

POINTS = np.array([[40.0, 50.0], [80.0, 50.0], [45.0, 90.0], [75.0, 90.0]])


def square_at(left, top, side):
    return np.array([[left, top], [side, 0], [0, side]], dtype=float)


def turn(points, degrees, about):
    return (points - about) @ rotate(degrees).T + about


def slow_square(points):
    """FFHQ's published arithmetic, with its two `flipud` turns, as an oracle."""
    eye_avg = (points[0] + points[1]) * 0.5
    eye_to_eye = points[1] - points[0]
    eye_to_mouth = (points[2] + points[3]) * 0.5 - eye_avg
    x = eye_to_eye - np.flipud(eye_to_mouth) * [-1, 1]
    x = x / np.hypot(*x) * max(np.hypot(*eye_to_eye) * 2.0, np.hypot(*eye_to_mouth) * 1.8)
    y = np.flipud(x) * [-1, 1]
    centre = eye_avg + eye_to_mouth * 0.1
    return np.array([centre - x - y, 2 * x, 2 * y])


@pytest.mark.parametrize("degrees", [0, 17, -40, 170])
def test_the_square_is_ffhqs(degrees):
    rng = np.random.default_rng([degrees + 180, 3])
    points = turn(POINTS, degrees, POINTS.mean(axis=0)) + rng.normal(0, 3, (4, 2))
    np.testing.assert_allclose(ffhq_square(points), slow_square(points), atol=1e-9)
    with pytest.raises(ValueError, match="eyes and mouth coincide"):
        ffhq_square(np.zeros((4, 2)))


def test_an_upright_square_is_a_crop_and_inputs_stay():
    image, square = photo(60, 80), square_at(20 - 0.5, 10 - 0.5, 32)
    np.testing.assert_array_equal(align_image(image, square, 32), image[10:42, 20:52])
    assert align_image(image, square_at(-100, -100, 230), 64).shape == (64, 64, 3)  # far larger
    np.testing.assert_array_equal(image, photo(60, 80))
    np.testing.assert_array_equal(square, square_at(20 - 0.5, 10 - 0.5, 32))


def test_mask_and_image_move_together():
    face = ellipse(120, 160, 0.3).astype(np.uint8)
    square = ffhq_square(turn(POINTS, 20, np.array([60.0, 60.0])))
    seg_map = align_seg_map(face, square, 64)
    aligned = align_image(np.repeat(255 * face[..., None], 3, axis=2), square, 64)
    differs = (aligned[..., 0] >= 128) != (seg_map == 1)
    assert differs[seg_map != 255].mean() < 0.005


def test_what_lies_outside_is_padded_and_ignored():
    image, square = photo(60, 80), square_at(-20.5, -0.5, 60)
    seg_map = align_seg_map(ellipse(60, 80).astype(np.uint8), square, 60)
    assert (seg_map[:, :20] == 255).all() and (seg_map[:, 20:] != 255).all()
    aligned = align_image(image, square, 60)
    assert aligned[:, :20].std() > 0  # reflected, not black
    inside = np.abs(aligned[:, 30:].astype(int) - image[:, 10:40])
    assert inside[8:-8, 8:].max() == 0  # away from the border nothing changes


@pytest.mark.parametrize("factor", [2, 10])  # the larger is shrunk first
def test_a_smaller_result_averages_and_stays_in_place(factor):
    image, side = photo(800, 1000), 64 * factor
    aligned = align_image(image, square_at(99.5, 49.5, side), 64)
    inside = image[50 : 50 + side, 100 : 100 + side]
    blocks = inside.reshape(64, factor, 64, factor, 3).mean(axis=(1, 3))
    difference = np.abs(aligned - blocks)
    assert difference.max() <= 1 if factor == 2 else difference.mean() < 1


def test_the_eyes_land_where_the_transform_says():
    image = np.zeros((120, 160, 3), np.uint8)
    points = turn(POINTS, 15, np.array([60.0, 60.0]))
    cv2.circle(image, tuple(int(v) for v in np.rint(points[0])), 3, (255, 255, 255), -1)
    aligned = align(image, points, 256)
    rows, columns = np.nonzero(aligned.image[..., 0] > 127)
    expected = cv2.invertAffineTransform(aligned.to_photograph) @ (*np.rint(points[0]), 1)
    np.testing.assert_allclose((columns.mean(), rows.mean()), expected, atol=0.6)
    np.testing.assert_allclose(aligned.to_photograph @ (*expected, 1), np.rint(points[0]))
    corner = aligned.to_photograph @ (-0.5, -0.5, 1)  # the outer corner of the first pixel
    np.testing.assert_allclose(corner, aligned.square[0], atol=1e-9)


def published_recipe(image, points, size_px, supersample=4):
    """FFHQ's published steps, on Pillow: shrink, crop, pad by reflection, transform, shrink."""
    corner, right, down = slow_square(points)
    quad = corner + np.array([(0, 0), down, right + down, right])
    side, picture = np.hypot(*right), Image.fromarray(image)
    if (shrink := int(np.floor(side / size_px * 0.5))) > 1:
        size = tuple(int(np.rint(length / shrink)) for length in picture.size)
        picture = picture.resize(size, Image.Resampling.LANCZOS)
        quad, side = quad / shrink, side / shrink
    border = max(int(np.rint(side * 0.1)), 3)
    low, high = np.floor(quad.min(axis=0)).astype(int), np.ceil(quad.max(axis=0)).astype(int)
    start = np.maximum(low - border, 0)
    stop = np.minimum(high + border, picture.size)
    picture, quad = picture.crop((*start, *stop)), quad - start
    low, high = np.floor(quad.min(axis=0)).astype(int), np.ceil(quad.max(axis=0)).astype(int)
    pad = np.maximum(np.concatenate([border - low, high - picture.size + border]), 0)
    if pad.max() > border - 4:
        picture, quad = padded_recipe(np.array(picture, np.float32), quad, pad, side)
    large = size_px * supersample
    corners = (quad + 0.5).ravel()
    how = Image.Transform.QUAD, corners, Image.Resampling.BILINEAR
    picture = picture.transform((large, large), *how)
    return np.array(picture.resize((size_px, size_px), Image.Resampling.LANCZOS))


def padded_recipe(image, quad, pad, side):
    left, top, right, bottom = np.maximum(pad, int(np.rint(side * 0.3)))
    image = np.pad(image, ((top, bottom), (left, right), (0, 0)), "reflect")
    height, width = image.shape[:2]
    rows, columns, _ = np.ogrid[:height, :width, :1]
    mask = np.maximum(
        1 - np.minimum(columns / left, (width - 1 - columns) / right),
        1 - np.minimum(rows / top, (height - 1 - rows) / bottom),
    )
    blurred = gaussian_filter(image, [side * 0.02, side * 0.02, 0])
    image = image + (blurred - image) * np.clip(mask * 3 + 1, 0, 1)
    image += (np.median(image, axis=(0, 1)) - image) * np.clip(mask, 0, 1)
    pixels = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    return Image.fromarray(pixels), quad + np.array([left, top])


@pytest.mark.parametrize(
    ("scale", "shift"),
    [(1.0, (0, 0)), (0.6, (-20, 5)), (6.0, (0, 0))],
    ids=["padded", "cropped", "shrunk"],
)
def test_drawn_pictures_come_out_as_by_the_published_recipe(scale, shift):
    size = round(150 * scale), round(190 * scale)
    image = cv2.resize(photo(150, 190), size[::-1], interpolation=cv2.INTER_CUBIC)
    points = scale * (turn(POINTS, 12, POINTS.mean(axis=0)) + shift)
    if scale == 0.6:
        image = cv2.copyMakeBorder(image, 80, 80, 80, 80, cv2.BORDER_REFLECT)
        points += 80
    expected = published_recipe(image, points, 64).astype(int)
    # the recipe forgets half a pixel where it shrinks first
    assert np.abs(align(image, points, 64).image - expected).mean() < 2
