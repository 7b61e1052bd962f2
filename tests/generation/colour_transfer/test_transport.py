"""Transport of colours: conventions, properties, oracles."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment

from bench.generation_quality import colour_distance
from face_occlusion.generation.colour_transfer.transfer import smooth_published
from face_occlusion.generation.colour_transfer.transport import (
    partial_assignment,
    quantile_means,
    quantile_transport,
    random_directions,
    random_frames,
    sliced_partial_transport,
    sliced_transport,
    stable_argsort,
)

SIZE = (5, 7)  # H != W, so swapped axes show
images = arrays(np.uint8, (*SIZE, 3))
IMAGE = np.zeros((4, 5, 3), np.uint8)
DIRECTIONS = random_directions(np.random.default_rng(0), 4, 5)


@pytest.fixture(scope="module")
def vectors(shared):
    return np.load(shared / "reference" / "sot_vectors.npz")


def slow_transport(source, target, directions):
    """The published definition, one pixel at a time, in double precision."""
    colours, wanted = (image.reshape(-1, 3) / 255 for image in (target, source))
    for batch in directions:
        moves = np.zeros_like(colours)
        for direction in batch:
            ordered = sorted(float(colour @ direction) for colour in wanted)
            order = sorted(range(len(colours)), key=lambda i: float(colours[i] @ direction))
            for rank, pixel in enumerate(order):
                moves[pixel] += (ordered[rank] - colours[pixel] @ direction) * direction
        colours = colours + moves / len(batch)
    return colours.reshape(target.shape)


def test_convention_the_target_moves_to_the_source_like_the_reference(vectors):
    moved = sliced_transport(vectors["face_rgb"], vectors["hand_rgb"], vectors["directions"])
    assert moved.dtype == np.float32
    assert np.abs(moved - vectors["transported"]).max() * 255 < 1
    start = vectors["hand_rgb"].astype(np.float32) / 255
    smoothed = start + smooth_published(vectors["transported"] - start)
    assert np.abs(smoothed - vectors["transported_filtered"]).max() * 255 < 0.1


def test_transport_equals_a_slow_loop():
    rng = np.random.default_rng(1)
    source, target = rng.integers(0, 256, (2, *SIZE, 3), dtype=np.uint8)
    target[:2] = 0  # ties, as on a black background
    expected = slow_transport(source, target, DIRECTIONS)
    np.testing.assert_allclose(sliced_transport(source, target, DIRECTIONS), expected, atol=1e-5)


@given(images)
def test_an_image_stays_on_its_own_colours(image):
    np.testing.assert_allclose(sliced_transport(image, image, DIRECTIONS), image / 255, atol=1e-5)


@pytest.mark.parametrize(
    ("transport", "source", "target", "directions", "message"),
    [
        (sliced_transport, IMAGE, IMAGE[:3], DIRECTIONS, "share one"),
        (sliced_transport, IMAGE, IMAGE, DIRECTIONS[0], "directions must be"),
        (quantile_transport, np.zeros((0, 3)), np.zeros((2, 3)), DIRECTIONS, "must hold pixels"),
        (sliced_partial_transport, np.zeros((2, 3)), np.zeros((3, 3)), DIRECTIONS, "not be larger"),
    ],
)
def test_sets_that_do_not_fit_are_refused(transport, source, target, directions, message):
    with pytest.raises(ValueError, match=message):
        transport(source, target, directions)


few_values = st.sampled_from([-0.0, 0.0, 1.0, -2.5])


@given(arrays(np.float32, st.integers(0, 50), elements=few_values | st.floats(-1e6, 1e6, width=32)))
def test_sorting_equals_numpy_and_keeps_the_order_of_ties(values):
    np.testing.assert_array_equal(stable_argsort(values), np.argsort(values, kind="stable"))


def test_directions_are_unit_vectors_and_frames_orthonormal():
    for draw in (random_directions, random_frames):
        drawn = draw(np.random.default_rng(4), 3, 5)
        assert drawn.shape == (3, 5, 3)
        np.testing.assert_allclose(np.linalg.norm(drawn, axis=-1), 1)
    for step in drawn:
        np.testing.assert_allclose(step[:3] @ step[:3].T, np.eye(3), atol=1e-12)


@given(st.integers(1, 9), st.lists(st.integers(1, 5), min_size=1, max_size=9))
def test_means_over_quantiles_equal_counting_copies(num_source, weights):
    ordered = np.sort(np.random.default_rng(num_source).random(num_source))
    total = sum(weights)
    copies = np.repeat(ordered, total).reshape(total, num_source).mean(axis=1)  # total quantiles
    edges = np.cumsum([0, *weights])
    expected = [copies[a:b].mean() for a, b in itertools.pairwise(edges)]
    means = quantile_means(ordered[np.newaxis], np.array([weights]))
    np.testing.assert_allclose(means, [expected], atol=1e-12)


def test_quantile_transport_of_equal_counts_is_sliced_transport_along_one_direction():
    rng = np.random.default_rng(5)
    source, target = rng.integers(0, 256, (2, *SIZE, 3), dtype=np.uint8)
    direction = random_directions(rng, 1, 1)
    moved = quantile_transport(source.reshape(-1, 3) / 255, target.reshape(-1, 3) / 255, direction)
    expected = sliced_transport(source, target, direction)
    np.testing.assert_allclose(moved, expected.reshape(-1, 3), atol=1e-5)


@pytest.mark.parametrize("batch", (3, 5, 6))
def test_frames_move_the_mean_the_whole_way_in_one_step(batch):
    rng = np.random.default_rng(7)
    source, target = rng.random((50, 3)) * 0.3 + 0.6, rng.random((20, 3)) * 0.3
    moved = quantile_transport(source, target, random_frames(rng, 1, batch))
    np.testing.assert_allclose(moved.mean(axis=0), source.mean(axis=0), atol=1e-5)


@given(st.integers(1, 7), st.integers(0, 6), st.integers(0, 2**31), st.booleans())
def test_partial_assignment_costs_as_little_as_the_hungarian_method(num, extra, seed, ties):
    rng = np.random.default_rng(seed)
    draw = (lambda n: rng.integers(0, 4, n) / 4) if ties else rng.random
    target = np.stack([np.sort(draw(num)) for _ in range(3)])
    source = np.stack([np.sort(draw(num + extra)) for _ in range(3)])
    assigned = partial_assignment(target, source)
    assert (np.diff(assigned, axis=1) > 0).all()
    for row in range(3):
        costs = (target[row][:, None] - source[row]) ** 2
        best = costs[linear_sum_assignment(costs)].sum()
        got = costs[np.arange(num), assigned[row]].sum()
        assert got == pytest.approx(best, abs=1e-12)


def test_partial_transport_leaves_a_far_cluster_unmatched():
    rng = np.random.default_rng(9)
    near, far = rng.random((40, 3)) * 0.1 + 0.5, rng.random((10, 3)) * 0.1
    target = rng.random((30, 3)) * 0.1 + 0.6
    directions = random_frames(rng, 6, 3)
    partial = sliced_partial_transport(np.concatenate([near, far]), target, directions)
    whole = quantile_transport(np.concatenate([near, far]), target, directions)
    assert partial.min() > 0.45
    assert whole.min() < 0.2


def test_colour_distance_is_the_shift_whatever_the_counts():
    colours = np.random.default_rng(10).random((40, 3))
    red = np.array([[1.0, 0, 0]])
    for repeats in (1, 3):
        shifted = np.repeat(colours[::-1] + 0.25 * red, repeats, axis=0)
        assert colour_distance(colours, shifted, red) == pytest.approx(0.25)
    assert colour_distance(colours, np.repeat(colours, 3, axis=0), DIRECTIONS) < 1e-9
