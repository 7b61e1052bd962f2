"""Sheets that compare: the same places, labels to the pixel, one command."""

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from face_occlusion.apps.cli import app
from face_occlusion.apps.viewing.comparisons import (
    CROP_PX,
    LABEL_RGB,
    comparisons,
    draw_labels,
    outline_pixels,
)
from face_occlusion.core.imageset import write_image_set
from face_occlusion.generation import make_occluder, occlude, sample_rng
from tests.generation.drawn import (
    draw_disc,
    draw_face,
    draw_hand,
    write_faces,
    write_hands,
    write_objects,
    write_textures,
)

SETS = {"hands": write_hands, "objects": write_objects, "textures": write_textures}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_faces(folder / "faces", count=4)
    for kind, write in SETS.items():
        write(folder / "occluders" / kind)
    return folder


def run(data, *options):
    command = ["sheets", "--faces", data / "faces", "--occluders", data / "occluders"]
    command += ["--num", 3, "--thumb-px", 96, *options]
    return CliRunner().invoke(app, [str(word) for word in command])


def test_one_command_draws_every_sheet_and_the_same_again(data, tmp_path):
    for out in ("one", "two"):
        result = run(data, "--out", tmp_path / out)
        assert result.exit_code == 0, result.output
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == [f"{name}.png" for name in sorted([*comparisons(), "labels"])]
    for name in names:
        one, two = ((tmp_path / out / name).read_bytes() for out in ("one", "two"))
        assert one == two
        with Image.open(tmp_path / "one" / name) as sheet:
            assert sheet.width > 3 * 2 * 80


def test_absent_occluders_are_left_out(data, tmp_path):
    occluders = tmp_path / "occluders"
    write_hands(occluders / "hands")
    write_textures(occluders / "textures")
    info = {"kind": "cutouts", "name": "objects", "sources": [], "absent": "no COCO here"}
    write_image_set(occluders / "objects", [], info=info)
    result = run(data, "--occluders", occluders, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "objects" not in result.output
    assert not (tmp_path / "out/objects_harmonised.png").exists()


def test_variants_differ_in_nothing_but_what_is_compared():
    face, seg_map = draw_face()
    sources = {
        "hands": [make_occluder(draw_hand(), pointing_deg=90.0, enters="top")],
        "objects": [make_occluder(draw_disc())],
    }
    for name, comparison in comparisons().items():
        if comparison.kind not in sources:
            continue
        (image, label, record), (other, other_label, other_record) = (
            occlude(face, seg_map, sources[comparison.kind], sample_rng("a", 1), params)
            for params in comparison.variants.values()
        )
        np.testing.assert_array_equal(label, other_label)
        compared = "harmonisation" if comparison.kind == "objects" else "colour_transfer"
        assert record | {compared: 0} == other_record | {compared: 0}
        assert (image != other).any(), name


def test_the_label_s_border_is_drawn_between_its_pixels():
    label = np.zeros((4, 5), bool)
    label[1:3, 2:4] = True
    drawn = outline_pixels(np.zeros((40, 50, 3), np.uint8), label)
    line = (drawn == LABEL_RGB).all(axis=2)
    rows, columns = np.nonzero(line)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (10, 30, 20, 40)
    assert line[10, 20:41].all() and line[10:31, 40].all()
    assert not line[11:30, 21:40].any()


def test_labels_are_shown_where_the_occluder_meets_the_face(data):
    from face_occlusion.core.imageset import ImageSet

    sheet = draw_labels(
        ImageSet(data / "faces"), {"objects": [make_occluder(draw_disc())]}, num=4, thumb_px=80
    )
    assert (sheet == LABEL_RGB).all(axis=2).sum() > 4 * CROP_PX
