"""The contract of every method, D26, and what colour statistics match."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from face_occlusion.core.arithmetic import eigen
from face_occlusion.generation.compositing import Layer
from face_occlusion.generation.harmonisation import HarmonisationParams, Harmoniser, statistics
from face_occlusion.generation.harmonisation.harmoniser import STATISTICS
from face_occlusion.generation.harmonisation.rainnet import RainNet, save_rainnet
from tests.tables import refuses, rows

SIZE = (310, 220)  # H != W, neither a multiple of 256
METHODS = ("rainnet", "mkl", "reinhard", "none")


def settings(method, size_px=256, strength=1):
    return HarmonisationParams(method=method, size_px=size_px, strength=strength)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("rainnet") / "tiny.pth"
    save_rainnet(RainNet(width=2), path)
    return path


@pytest.fixture
def rainnet(checkpoint):
    return lambda **changes: Harmoniser(settings(f"rainnet:{checkpoint}", **changes))


def composite():
    """A green disc with a soft edge on a warm gradient, and its coverage."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    background = np.dstack([150 + rows / 5, 110 + columns / 8, 90 + rows / 9])
    background += np.random.default_rng(0).normal(0, 5, background.shape)
    alpha = np.clip((70 - np.hypot(rows - 160, columns - 120)) / 6 + 0.5, 0, 1)
    disc = np.array([40, 140, 60]) + np.random.default_rng(1).normal(0, 8, background.shape)
    blended = alpha[..., None] * disc + (1 - alpha[..., None]) * background
    coverage = np.rint(alpha * 255).astype(np.uint8)
    return np.clip(np.rint(blended), 0, 255).astype(np.uint8), coverage


@pytest.mark.parametrize("size_px", [256, 512])
def test_background_keeps_its_bits_and_inputs_stay(rainnet, size_px):
    harmoniser = rainnet(size_px=size_px)
    image, alpha = composite()
    one_pixel = np.zeros_like(alpha)
    one_pixel[100, 100] = 255
    for coverage in (alpha, one_pixel, alpha * 0, np.full_like(alpha, 255)):
        harmonised = harmoniser.fit_composite(image, coverage)
        assert harmonised.shape == image.shape and harmonised.dtype == np.uint8
        if coverage is not one_pixel:
            assert (harmonised != image).any() == (coverage is alpha)
        np.testing.assert_array_equal(harmonised[coverage == 0], image[coverage == 0])
        for used, before in zip((image, alpha), composite(), strict=True):
            np.testing.assert_array_equal(used, before)
    refuses("composite must", harmoniser.fit_composite, image, alpha[1:])


def test_strength_0_changes_nothing_and_a_half_about_half(rainnet):
    image, alpha = composite()
    whole, half = (rainnet(strength=s).colour_change(image, alpha) for s in (1, 0.5))
    np.testing.assert_allclose(half, whole / 2, atol=1e-3)
    np.testing.assert_array_equal(rainnet(strength=0).fit_composite(image, alpha), image)


@pytest.mark.parametrize("method", METHODS)
def test_statistics_change_layers_rainnet_changes_composites(method, rainnet):
    image, layer = placed_disc()
    harmoniser = rainnet() if method == "rainnet" else Harmoniser(settings(method))
    assert (harmoniser.fit_layer(image, layer) is not layer) == (method in STATISTICS)
    alpha = layer.coverage_on(SIZE)
    assert (harmoniser.fit_composite(image, alpha) is not image) == (method == "rainnet")


def placed_disc():
    """The disc of `composite`, premultiplied, on a window that begins off the canvas."""
    image, coded = composite()
    colour = np.broadcast_to(np.array([40, 140, 60]), image.shape)
    colour = colour + np.random.default_rng(1).integers(-9, 10, image.shape)
    premultiplied = (colour * coded[..., None].astype(int) + 127) // 255
    padded = [np.pad(part, ((7, 0), (11, 0), (0, 0))) for part in (premultiplied, coded[..., None])]
    return image, Layer(padded[0].astype(np.uint8), padded[1][..., 0].astype(np.uint8), -11, -7)


@pytest.mark.parametrize("method", sorted(STATISTICS))
def test_statistics_bring_a_layer_nearer_to_its_surroundings(method):
    image, layer = placed_disc()
    kept, solid = layer.colour.copy(), layer.alpha == 255
    fitted = Harmoniser(settings(method)).fit_layer(image, layer)
    np.testing.assert_array_equal(fitted.alpha, layer.alpha)
    np.testing.assert_array_equal(layer.colour, kept)
    assert (fitted.colour <= fitted.alpha[..., None]).all()
    around = image[layer.coverage_on(SIZE) == 0].mean(axis=0)
    before, after = (one.colour[solid].mean(axis=0) - around for one in (layer, fitted))
    assert np.linalg.norm(after) < 0.75 * np.linalg.norm(before)
    assert Harmoniser(settings(method, strength=0)).fit_layer(image, layer) is layer
    for alpha in (layer.alpha * 0, layer.alpha * 0 + 255):  # no inside, no surroundings
        same = Layer(layer.colour, alpha, layer.x, layer.y)
        assert Harmoniser(settings(method)).fit_layer(image, same) is same


def test_the_edge_of_a_fitted_layer_keeps_its_inside_s_colour():
    """Premultiplied colour over alpha is one colour, at any coverage, after as before."""
    image, _ = composite()
    alpha = np.tile(np.arange(256, dtype=np.uint8), (40, 1))[:, :200]
    alpha[:, 150:] = 255
    colour = np.rint(alpha[..., None] / 255 * np.array([60.0, 130, 80])).astype(np.uint8)
    fitted = Harmoniser(settings("reinhard")).fit_layer(image, Layer(colour, alpha, 10, 100))
    straight = fitted.colour[:, 60:] * 255.0 / alpha[:, 60:, None]
    assert np.abs(straight - straight[:, -1:]).max() < 6  # rounding at a quarter coverage
    assert np.abs(straight[0, -1] - [60, 130, 80]).max() > 10


class Recorder(torch.nn.Module):
    """A network that darkens, and keeps the masks and the threads that it was given."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, image, mask):
        self.seen = mask.unique().tolist(), torch.get_num_threads()
        return image - 0.2


@pytest.mark.parametrize("num_threads", [1, 2])
def test_d26_the_network_sees_a_hard_mask_in_one_thread_and_alpha_only_blends(num_threads):
    """The published code shows the network alpha as it is; one thread sums in one order."""
    image, alpha = composite()
    image = np.maximum(image, 40)  # room to darken
    harmoniser = Harmoniser(settings("mkl"))
    harmoniser.network = Recorder()
    before = torch.get_num_threads()
    torch.set_num_threads(num_threads)
    try:
        change = harmoniser.fit_composite(image, alpha).astype(float) - image
        assert torch.get_num_threads() == num_threads
    finally:
        torch.set_num_threads(before)
    assert harmoniser.network.seen == ([0.0, 1.0], 1)
    expected = -0.2 * 127.5 * alpha[..., None] / 255
    np.testing.assert_allclose(change, np.broadcast_to(expected, change.shape), atol=0.51)


@pytest.mark.parametrize(("changes", "message"), rows(__file__, "refused"))
def test_methods_and_settings_are_checked_by_name(changes, message):
    refuses(message, lambda: Harmoniser(settings(**({"method": "mkl"} | changes))))


def cloud(seed, mean, spread, count=4000):
    mixing = np.eye(3) + 0.2 * np.random.default_rng(7).normal(size=(3, 3))
    return mixing @ np.random.default_rng(seed).normal(0, spread, (count, 3)).T + mean


def test_lab_is_opencv_s_and_comes_back():
    colours = np.random.default_rng(0).integers(0, 256, (3, 500), dtype=np.uint8)
    expected = cv2.cvtColor((colours.T[None] / 255).astype(np.float32), cv2.COLOR_RGB2LAB)[0]
    lab = statistics.to_lab(colours)
    np.testing.assert_allclose(lab, expected.T, atol=0.5)  # OpenCV uses tables
    np.testing.assert_array_equal(statistics.to_lab(colours.astype(float)), lab)
    np.testing.assert_allclose(statistics.to_rgb(lab), colours, atol=1e-6)
    white = statistics.to_lab(np.full((3, 1), 255.0))
    np.testing.assert_allclose(white, [[100], [0], [0]], atol=0.01)


def test_mkl_matches_mean_and_covariance_and_reinhard_mean_and_deviation_in_lab():
    foreground, background = cloud(1, 120, 20), cloud(2, 135, 25)  # within their caps
    moved = foreground + statistics.mkl(foreground, background)
    np.testing.assert_allclose(moved.mean(axis=1), background.mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(np.cov(moved), np.cov(background), rtol=0.02, atol=8)
    foreground, background = cloud(1, 120, 12), cloud(2, 135, 14)
    moved = statistics.to_lab(foreground + statistics.reinhard(foreground, background))
    wanted = statistics.to_lab(background)
    np.testing.assert_allclose(moved.mean(axis=1), wanted.mean(axis=1), atol=0.1)
    np.testing.assert_allclose(moved.std(axis=1), wanted.std(axis=1), rtol=0.1)


@pytest.mark.parametrize("move", (statistics.mkl, statistics.reinhard))
def test_equal_statistics_change_nothing_and_a_plain_colour_stays_plain(move):
    colours = cloud(3, 128, 20)
    np.testing.assert_allclose(move(colours, colours), 0, atol=1e-6)
    change = move(np.full((3, 50), 90.0), cloud(4, 120, 30))
    np.testing.assert_allclose(change, np.tile(change[:, :1], (1, 50)), atol=1e-6)
    assert np.isfinite(change).all()


@given(st.integers(0, 2**31))
def test_mkl_never_exceeds_its_caps(seed):
    rng = np.random.default_rng(seed)
    foreground = rng.normal(rng.uniform(0, 255, (3, 1)), rng.uniform(0, 90), (3, 60))
    background = rng.normal(rng.uniform(0, 255, (3, 1)), rng.uniform(0, 90), (3, 60))
    change = statistics.mkl(foreground, background)
    assert np.linalg.norm(change.mean(axis=1)) <= statistics.MAX_SHIFT + 1e-6
    away = np.linalg.norm(foreground - foreground.mean(axis=1, keepdims=True), axis=0)
    stretched = np.linalg.norm(change - change.mean(axis=1, keepdims=True), axis=0)
    assert (stretched <= away * (statistics.MAX_GAIN - 1) + 1e-6).all()


def test_eigenvectors_of_what_is_all_but_diagonal():
    matrix = np.diag([2.0, 2.0, 1.0])
    matrix[0, 1] = matrix[1, 0] = 1e-200  # its square is 0
    values, vectors = eigen(matrix)
    np.testing.assert_allclose((vectors * values) @ vectors.T, matrix, atol=1e-12)
