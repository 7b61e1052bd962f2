"""Sheets that compare: the same places, labels to the pixel, one command."""

import shutil

import numpy as np
import pytest
from PIL import Image

from face_occlusion.apps.viewing import comparisons
from face_occlusion.apps.viewing.comparisons import LABEL_RGB
from face_occlusion.core.images import decode_image
from face_occlusion.core.imageset import ImageSet
from face_occlusion.generation import occlude, sample_rng
from tests.conftest import files_of
from tests.generation import drawn as drawings


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    drawings.write_faces(folder / "faces", count=4)
    drawings.write_occluders(folder / "occluders")
    return folder


def test_one_command_draws_the_sheets_whose_occluders_are_there(data, tmp_path, invoke):
    options = ["--faces", data / "faces", "--num", 3, "--thumb-px", 96]
    for out in ("one", "two"):
        invoke("sheets", *options, "--occluders", data / "occluders", "--out", tmp_path / out)
    names = files_of(tmp_path / "one")
    assert names == files_of(tmp_path / "two")
    assert names.keys() == {f"{name}.png" for name in [*comparisons.comparisons(), "labels"]}
    assert all(Image.open(tmp_path / "one" / name).width > 3 * 2 * 80 for name in names)

    few = tmp_path / "few"
    shutil.copytree(data / "occluders", few, ignore=shutil.ignore_patterns("objects"))
    drawings.write_drawn(few / "objects", "cutouts", "objects", [], absent="no COCO here")
    printed = invoke("sheets", *options, "--occluders", few, "--out", tmp_path / "three")
    assert "objects" not in printed and "labels" in printed
    assert not (tmp_path / "three/objects_harmonised.png").exists()


def test_variants_differ_in_nothing_but_what_is_compared():
    sources = {"hands": [drawings.HAND], "objects": [drawings.DISC]}
    for name, comparison in comparisons.comparisons().items():
        if not (items := sources.get(comparison.kind)):
            continue
        (image, label, record), (other, other_label, other_record) = (
            occlude(drawings.FACE, drawings.SEG_MAP, items, sample_rng("a", 1), params)
            for params in comparison.variants.values()
        )
        np.testing.assert_array_equal(label, other_label)
        compared = "harmonisation" if comparison.kind == "objects" else "colour_transfer"
        assert record | {compared: 0} == other_record | {compared: 0}
        assert (image != other).any(), name


def test_the_label_s_border_is_drawn_between_its_pixels():
    label = np.zeros((4, 5), bool)
    label[1:3, 2:4] = True
    drawn = comparisons.outline_pixels(np.zeros((40, 50, 3), np.uint8), label)
    line = (drawn == LABEL_RGB).all(axis=2)
    rows, columns = np.nonzero(line)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (10, 30, 20, 40)
    assert line[10, 20:41].all() and line[10:31, 40].all()
    assert not line[11:30, 21:40].any()


def test_labels_are_shown_where_the_occluder_meets_the_face(data):
    faces, discs = ImageSet(data / "faces"), {"objects": [drawings.DISC]}
    drawn = comparisons.draw_labels(faces, faces.keys[:4], discs, columns=4, thumb_px=80)
    sheet = decode_image(drawn, "sheet")
    assert (sheet == LABEL_RGB).all(axis=2).sum() > 4 * comparisons.CROP_PX
