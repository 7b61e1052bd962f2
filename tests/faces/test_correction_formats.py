"""Every format of corrections, what is refused, and LabelMe's files written and read back."""

import json
import logging
import pickle
from pathlib import Path

import cv2
import numpy as np
import pycocotools.mask
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from face_occlusion.core.classes import instance_mask
from face_occlusion.core.images import encode_png
from face_occlusion.faces.correction import check_segmentation
from face_occlusion.faces.corrections import read_corrections
from face_occlusion.faces.labelme import labelme_content, read_labelme
from tests.conftest import with_changes
from tests.faces.drawn import PARAMS, SIZE, box, labelme, put, shape
from tests.tables import refuses, rows

CORRECTIONS = Path(__file__).with_name("corrections")  # the same mask, as each tool saves it
FACE = shape("face", box(3, 2, 13, 12))
HAND = shape("hand", box(3, 2, 5, 12))


def whole(left, right):
    mask = np.zeros(SIZE, np.uint8)
    mask[2:12, left:right] = 1
    return mask


EXPECTED = whole(5, 13)


@pytest.mark.parametrize("folder", sorted(CORRECTIONS.iterdir()), ids=lambda folder: folder.name)
def test_every_format_draws_the_same_mask(folder):
    (correction,) = read_corrections(folder, PARAMS).values()
    correction = pickle.loads(pickle.dumps(correction))  # travels to workers
    assert correction.number == 24
    assert correction.format == folder.name.partition("_")[0]
    authors = np.ones(SIZE, np.uint8)
    np.testing.assert_array_equal(correction.apply(authors), EXPECTED)
    assert authors.all()


def document(name):
    (path,) = (CORRECTIONS / name).rglob("*.json")
    return json.loads(path.read_text())


def saved(name, changes):
    """Return a file of one of the corrections with some changes, by its path."""
    return {f"{name.partition('_')[0]}/a.json": json.dumps(with_changes(document(name), changes))}


def read(tmp_path, files):
    (correction,) = read_corrections(put(tmp_path, files), PARAMS).values()
    return correction


def test_an_occluder_alone_goes_over_the_mask_that_is_there(tmp_path):
    files = one(HAND, shape("blur", box(20, 0, 30, 20)))
    corrected = read(tmp_path, files).apply(np.ones((10, 15), np.uint8))  # half as large
    expected = np.ones(SIZE, np.uint8)
    expected[2:12, 3:5] = 0
    expected[:, 20:] = 255
    np.testing.assert_array_equal(corrected, expected)


def test_a_circle_is_round_and_another_aspect_is_refused_by_name(tmp_path):
    correction = read(tmp_path, one(shape("face", [[15, 10], [15, 2]], "circle")))
    assert correction.apply(EXPECTED).sum() == pytest.approx(np.pi * 8**2, rel=0.03)
    with pytest.raises(ValueError, match=r"face 24: a mask of 20x20 .*a\.json has 20x30"):
        correction.apply(np.ones((20, 20), np.uint8))


def test_the_folder_may_hold_no_format_but_must_exist(tmp_path):
    (tmp_path / "README.md").write_text("put corrections here")
    assert read_corrections(tmp_path, PARAMS) == {}
    with pytest.raises(ValueError, match=r"gone: no such folder \(corrections\.folder"):
        read_corrections(tmp_path / "gone", PARAMS)


@pytest.mark.parametrize("name", ["faces/00024.jpg", r"C:\faces\24.png"])
def test_the_name_carries_the_number(tmp_path, name):
    assert read(tmp_path, one(FACE, name=name)).number == 24


def test_unfinished_samples_are_counted(tmp_path, caplog):
    (finished,) = document("segments_polygons")["dataset"]["samples"]
    unlabeled = {"name": "9.jpg", "labels": {"ground-truth": None}}
    begun = {"name": "5.jpg", "labels": {"ground-truth": {"label_status": "PRELABELED"}}}
    files = saved("segments_polygons", {"dataset.samples": [finished, begun, unlabeled]})
    with caplog.at_level(logging.INFO):
        assert read(tmp_path, files).number == 24
    assert "3 samples, 2 not finished" in caplog.text


def test_a_page_replaces_accepted_masks_only_even_by_none_and_counts_the_others(tmp_path, caplog):
    authors, (face,) = np.ones(SIZE, np.uint8), document("page")["annotations"]
    ignored = face | {"id": 2, "category_id": 2, "segmentation": [[3, 2, 5, 2, 5, 12, 3, 12]]}
    corrected = read(tmp_path / "a", saved("page", {"annotations": [face, ignored]})).apply(authors)
    np.testing.assert_array_equal(corrected, EXPECTED + 255 * whole(3, 5))
    nobody = read(tmp_path / "b", saved("page", {"annotations": []}))
    assert not nobody.apply(authors).any()
    for verdict, edited in (("wrong", True), ("unsure", True), ("none", True), ("accept", False)):
        files = saved("page", {"images.0.verdict": verdict, "images.0.edited": edited})
        files |= saved("coco_polygons", {"images.0.file_name": "9.jpg"})
        with caplog.at_level(logging.INFO):
            assert read(tmp_path / "c", files).number == 9
        assert f"{verdict}{', edited' if edited else ''}': 1" in caplog.text


def one(*shapes, **changed):
    return {"labelme/a.json": labelme(*shapes, **changed)}


@pytest.mark.parametrize(("name", "changes", "message"), rows(__file__, "refused"))
def test_bad_corrections_are_named(tmp_path, name, changes, message):
    is_text = isinstance(changes, str)
    files = {f"{name}/a.json": changes} if is_text else saved(name, changes)
    refuses(message, read_corrections, put(tmp_path, files), PARAMS)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (one(FACE) | saved("coco_polygons", {}), r"24 is also corrected in .*coco/a\.json"),
        ({"labelbox/a.json": "{}"}, "labelbox: expected only the folders labelme"),
        ({"labelme/readme.txt": "x"}, "no finished correction"),
        (saved("segments_bitmap", {}) | {"segments/b1 c.png": b"broken"}, r"b1 c\.png: not a PNG"),
    ],
)
def test_bad_folders_are_named(tmp_path, files, message):
    refuses(message, read_corrections, put(tmp_path, files), PARAMS)


def test_bad_bitmaps_are_named_when_they_are_read(tmp_path):
    instance_1 = np.full((4, 6, 4), (1, 0, 0, 255), np.uint8)
    for png, message in (
        (encode_png(instance_1), r"b1 c\.png: holds instances \[1\], which the release"),
        (encode_png(np.ones((4, 6), np.uint8)), "must be a PNG with 8-bit RGBA"),
    ):
        files = saved("segments_bitmap", {}) | {"segments/b1 c.png": png}
        refuses(message, read(tmp_path, files).apply, np.ones((4, 6), np.uint8))


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12)))
def test_packed_runs_pass_whatever_they_draw(mask):
    packed = pycocotools.mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    text = packed["counts"].decode()  # type: ignore[union-attr]  # bytes, whatever its stub says
    for runs in (packed, {**packed, "counts": text}):
        if mask.any():
            check_segmentation(runs, mask.shape)
            np.testing.assert_array_equal(instance_mask(runs, mask.shape), mask)
        else:
            refuses("covers no pixel", check_segmentation, runs, mask.shape)


def test_convention_coordinates_run_along_the_edges_of_pixels():
    drawn = instance_mask([[2, 1, 5, 1, 5, 3, 2, 3]], (5, 7))
    assert drawn.sum() == 6
    assert drawn[1:3, 2:5].all()
    counts = [11, 2, 3, 2, 3, 2, 12]  # column by column
    runs = {"counts": counts, "size": [5, 7]}
    np.testing.assert_array_equal(instance_mask(runs, (5, 7)), drawn)


def read_back(folder, face, **options):
    """Write a mask as LabelMe does, and draw what our reader makes of the file."""
    content = json.loads(json.dumps(labelme_content("00012.jpg", face, **options)))
    (correction,) = read_labelme(folder / "00012.json", content, PARAMS)
    assert correction.number == 12 and correction.size == face.shape
    return correction.apply(np.zeros(face.shape, np.uint8))


def test_holes_and_islands_come_back_to_the_pixel_or_by_default_to_the_edge(tmp_path):
    """A face with a hole, a face in the hole, and one cut by the border."""
    rings = np.zeros((90, 120), np.uint8)
    for radius, value in ((35, 1), (18, 0), (6, 1)):
        cv2.circle(rings, (60, 45), radius, value, -1)
    rings[80:, 100:] = 1
    np.testing.assert_array_equal(read_back(tmp_path, rings, tolerance_px=0.1), rings)
    changed = read_back(tmp_path, rings) != rings
    edge = cv2.morphologyEx(rings, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    assert changed.sum() <= 0.05 * edge.sum() and not (changed & ~edge).any()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.2, 0.8))
def test_probabilities_are_outlined_at_the_threshold(tmp_path_factory, seed, threshold):
    noise = np.random.default_rng(seed).random((40, 60), dtype=np.float32)
    face = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 6), noise, 0, 1, cv2.NORM_MINMAX)
    folder = tmp_path_factory.mktemp("labelme")
    back = read_back(folder, face, threshold=threshold, tolerance_px=0.1) == 1
    doubtful = np.abs(face - threshold) < 0.06  # a pixel whose centre lies by the outline
    assert ((back == (face >= threshold)) | doubtful).all()


def test_an_empty_mask_has_no_shape_and_a_full_one_the_images_frame():
    empty = labelme_content("a.jpg", np.zeros((9, 7), np.uint8))
    assert (empty["shapes"], empty["imageHeight"]) == ([], 9)
    (outline,) = labelme_content("a.jpg", np.ones((9, 7), np.uint8))["shapes"]
    points = np.array(outline["points"])
    assert points.min(axis=0) == pytest.approx([0, 0], abs=0.6)
    assert points.max(axis=0) == pytest.approx([7, 9], abs=0.6)
