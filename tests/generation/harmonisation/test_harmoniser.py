"""The contract of every method, and D26."""

import numpy as np
import pytest
import torch

from face_occlusion.generation.compositing import Layer
from face_occlusion.generation.harmonisation import HarmonisationParams, Harmoniser
from face_occlusion.generation.harmonisation.harmoniser import STATISTICS
from face_occlusion.generation.harmonisation.rainnet import RainNet, save_rainnet

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
def two_threads():
    num_threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(num_threads)


@pytest.fixture
def rainnet(checkpoint):
    return Harmoniser(settings(f"rainnet:{checkpoint}"))


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
def test_background_keeps_its_bits_and_inputs_stay(checkpoint, size_px):
    rainnet = Harmoniser(settings(f"rainnet:{checkpoint}", size_px=size_px))
    image, alpha = composite()
    one_pixel = np.zeros_like(alpha)
    one_pixel[100, 100] = 255
    for coverage in (alpha, one_pixel, alpha * 0, np.full_like(alpha, 255)):
        harmonised = rainnet.fit_composite(image, coverage)
        assert harmonised.shape == image.shape and harmonised.dtype == np.uint8
        if coverage is not one_pixel:
            assert (harmonised != image).any() == (coverage is alpha)
        np.testing.assert_array_equal(harmonised[coverage == 0], image[coverage == 0])
        for used, before in zip((image, alpha), composite(), strict=True):
            np.testing.assert_array_equal(used, before)
    with pytest.raises(ValueError, match="composite must"):
        rainnet.fit_composite(image, alpha[1:])


def test_strength_0_changes_nothing_and_a_half_about_half(rainnet, checkpoint):
    image, alpha = composite()
    whole = rainnet.colour_change(image, alpha)
    half, off = (Harmoniser(settings(f"rainnet:{checkpoint}", strength=s)) for s in (0.5, 0))
    np.testing.assert_allclose(half.colour_change(image, alpha), whole / 2, atol=1e-3)
    np.testing.assert_array_equal(off.fit_composite(image, alpha), image)


def test_the_same_input_gives_the_same_output_for_any_number_of_threads(rainnet, two_threads):
    first = rainnet.fit_composite(*composite())
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)
    np.testing.assert_array_equal(rainnet.fit_composite(*composite()), first)


@pytest.mark.parametrize("method", METHODS)
def test_statistics_change_layers_rainnet_changes_composites(method, checkpoint):
    image, layer = placed_disc()
    harmoniser = Harmoniser(settings(f"rainnet:{checkpoint}" if method == "rainnet" else method))
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

    def apart(colour):
        return np.linalg.norm(colour[solid].mean(axis=0) - around)

    assert apart(fitted.colour) < 0.75 * apart(layer.colour)
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
    """A network that darkens, and keeps the masks that it was shown."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.masks = []
        self.num_threads = []

    def forward(self, image, mask):
        self.num_threads.append(torch.get_num_threads())
        self.masks.append(mask)
        return image - 0.2


def test_the_network_runs_in_one_thread_so_that_sums_have_one_order(two_threads):
    harmoniser = Harmoniser(settings("mkl"))
    harmoniser.network = Recorder()  # type: ignore[assignment]  # a fake
    harmoniser.fit_composite(*composite())
    assert harmoniser.network.num_threads == [1]


def test_d26_the_network_sees_a_hard_mask_and_alpha_only_blends():
    """The published code shows the network alpha as it is."""
    image, alpha = composite()
    image = np.maximum(image, 40)  # room to darken
    harmoniser = Harmoniser(settings("mkl"))
    harmoniser.network = Recorder()  # type: ignore[assignment]  # a fake
    change = harmoniser.fit_composite(image, alpha).astype(float) - image
    assert set(harmoniser.network.masks[0].unique().tolist()) == {0.0, 1.0}
    expected = -0.2 * 127.5 * alpha[..., None] / 255
    np.testing.assert_allclose(change, np.broadcast_to(expected, change.shape), atol=0.51)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        *(({"method": method}, "method must") for method in ("other", "rainnet:", "MKL")),
        ({"size_px": 300}, "size_px: must be one of 256, 512"),
        ({"strength": 2}, "strength: must"),
        ({"method": "rainnet:absent.pth"}, r"absent\.pth: no such RainNet checkpoint"),
    ],
)
def test_methods_and_settings_are_checked_by_name(changes, message):
    with pytest.raises(ValueError, match=message):
        Harmoniser(settings(**({"method": "mkl"} | changes)))
