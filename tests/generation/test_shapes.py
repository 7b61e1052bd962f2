"""Random shapes and their textures (Q27); D22."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import published
from face_occlusion.core.arithmetic import rotate
from face_occlusion.generation import shapes
from tests.generation.drawn import SHAPE, rng

seeds, sides = st.integers(0, 2**32), st.integers(8, 200)


def outline_at(shape, size_px, centre_xy):
    return np.array(shape["points"]) * size_px + np.array(centre_xy)


@given(seeds)
def test_shapes_have_area_one_around_the_origin(seed):
    points = np.array(shapes.sample_shape(rng(seed))["points"])
    assert shapes.polygon_area(points) == pytest.approx(1, abs=1e-3)
    np.testing.assert_allclose(shapes.polygon_centre(points), [0, 0], atol=1e-3)


def test_every_kind_is_drawn_and_shapes_differ():
    drawn = [shapes.sample_shape(rng(seed)) for seed in range(100)]
    assert {shape["kind"] for shape in drawn} == set(shapes.KINDS)
    assert len({str(shape["points"]) for shape in drawn}) == 100


@given(seeds, st.floats(40, 80))
def test_a_drawn_shape_has_the_area_of_its_polygon(seed, size_px):
    """Also shows that the outlines do not cross themselves."""
    outline = outline_at(shapes.sample_shape(rng(seed)), size_px, (150.3, 149.8))
    coverage = shapes.fill_polygon(outline, (300, 300))
    assert math.sqrt(coverage.sum() / 255) == pytest.approx(size_px, rel=0.025)


@given(seeds, st.floats(-180, 180), st.floats(20, 60), st.tuples(sides, sides))
def test_d22_textures_are_cropped_never_squashed(seed, angle_deg, size_px, texture_shape):
    texture = shapes.Texture("t", np.zeros((*texture_shape, 3), np.uint8))
    turn = rotate(angle_deg)
    outline = outline_at(shapes.sample_shape(rng(seed)), size_px, (80, 90)) @ turn.T
    matrix = shapes.sample_texture(rng(seed), texture, outline, size_px * turn)
    stretch = np.linalg.svd(matrix[:, :2], compute_uv=False)
    assert stretch[0] == pytest.approx(stretch[1])  # one scale in both directions
    seen = (outline - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    assert (seen >= -0.5 - 1e-6).all()  # inside the photograph: nothing is mirrored
    assert (seen <= np.array(texture_shape[::-1]) - 0.5 + 1e-6).all()


def test_d22_the_published_texture_is_squashed():
    wide = np.zeros((100, 400, 3), np.uint8)
    cv2.circle(wide, (200, 50), 40, (255, 255, 255), -1)
    squashed = published.squash_texture(wide)[..., 0] >= 128
    assert squashed.any(axis=1).sum() > 3 * squashed.any(axis=0).sum()


BOX = np.array([[10.0, 10.0], [60.0, 10.0], [60.0, 50.0], [10.0, 50.0]])


def test_a_layer_shows_its_texture_premultiplied_and_at_full_strength_up_to_its_edge():
    image = rng().integers(0, 256, (90, 120, 3), dtype=np.uint8)
    matrix = np.array([[1.0, 0, 5], [0, 1.0, 3]])
    layer = shapes.paint_shape(shapes.Texture("t", image), matrix, BOX, SHAPE, 2, 0.0)
    np.testing.assert_array_equal(layer.colour[30 - layer.y, 20 - layer.x], image[30 - 3, 20 - 5])
    assert layer.alpha[30 - layer.y, 20 - layer.x] == 255
    assert (layer.colour <= layer.alpha[..., np.newaxis]).all()
    plain = shapes.Texture("plain", np.full((90, 120, 3), 137, np.uint8))
    soft = shapes.paint_shape(plain, np.eye(2, 3), BOX, SHAPE, 8, 1.5)
    ideal = np.rint(soft.alpha[..., np.newaxis] * (137 / 255))  # no dark or bright border
    assert np.abs(soft.colour - ideal).max() <= 1
    assert ((soft.alpha > 0) & (soft.alpha < 255)).sum() > 600
