"""Sheets that compare: the same places, labels to the pixel, one command."""

import shutil

import cv2
import numpy as np
import pytest
from PIL import Image

from face_occlusion.apps.viewing import comparisons, contact_sheet
from face_occlusion.apps.viewing.comparisons import LABEL_RGB
from face_occlusion.apps.viewing.contact_sheet import ARROW_COLOUR, FACE_COLOUR, caption
from face_occlusion.core.images import decode_image
from face_occlusion.core.imageset import ImageSet
from face_occlusion.generation import occlude, sample_rng
from tests.conftest import files_of
from tests.generation import drawn
from tests.generation import drawn as drawings


def draw(shown: ImageSet, *keys: str, **options: int) -> np.ndarray:
    drawn = contact_sheet.draw_contact_sheet(shown, list(keys), **options)
    return decode_image(drawn, "sheet")


@pytest.fixture
def faces(tmp_path) -> ImageSet:
    """Grey pictures with a disc as face, an original mask that differs in every second."""
    face = disc(60, 90, 20).astype(np.uint8)
    samples = []
    for number in range(10):
        record = {"occluder": "hand", "placement": {"size": 0.5 + number / 20}, "seed": number}
        record["shift"] = 5 * (number % 2)
        parts = {"jpg": np.full((60, 90, 3), 25 * number, np.uint8), "png": face}
        parts |= {"original.png": np.roll(face, record["shift"], axis=1)}
        samples.append((f"{number:05d}", parts, record))
    return drawn.write_drawn(tmp_path / "faces", "synthetic", "natocc_hand", samples)


def disc(height: int, width: int, radius: int) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return np.hypot(rows - height // 2, columns - width // 2) < radius


def near(picture: np.ndarray, colour: tuple[int, int, int], within: int = 60) -> np.ndarray:
    return (np.abs(picture.astype(int) - colour) < within).all(axis=-1)


SIDES = {0: "right", 90: "down", 180: "left", -90: "up"}  # image coordinates


@pytest.mark.parametrize(("angle", "side"), SIDES.items())
def test_convention_arrow_of_the_pointing_direction(angle, side):
    cutout = np.full((101, 101, 4), (90, 60, 40, 255), np.uint8)
    arrow = near(contact_sheet.draw_cutout(cutout, angle, 101), ARROW_COLOUR)
    rows, columns = np.nonzero(arrow)
    head = {"right": columns > 60, "left": columns < 40, "down": rows > 60, "up": rows < 40}
    assert head[side].sum() > 1.5 * np.median([side.sum() for side in head.values()])
    assert not near(contact_sheet.draw_cutout(cutout, None, 101), ARROW_COLOUR).any()


def test_picks_are_spread_evenly_or_the_largest(faces):
    assert contact_sheet.pick_keys(faces, 4) == ["00000", "00003", "00006", "00009"]
    assert contact_sheet.pick_keys(faces, 2, "seed") == ["00009", "00008"]
    assert contact_sheet.pick_keys(faces, 6, "shift") == [*faces.keys[1::2], "00000"]
    assert len(contact_sheet.pick_keys(faces, 99, "seed")) == 10


def test_a_sheet_shows_each_sample_and_an_original_mask_that_differs(faces):
    sheet, again = (draw(faces, *faces.keys[::2], columns=3, thumb_px=96) for _ in range(2))
    np.testing.assert_array_equal(sheet, again)
    greens = near(sheet[:-60], FACE_COLOUR, 120).astype(np.uint8)  # above the legend
    num_outlines, _ = cv2.connectedComponents(cv2.dilate(greens, np.ones((9, 9), np.uint8)))
    assert num_outlines - 1 == 5
    for key, differs in (("00000", False), ("00001", True)):
        one = draw(faces, key, columns=1, thumb_px=96)
        assert (near(one[:-60], contact_sheet.ORIGINAL_COLOUR).sum() > 20) == differs


def test_cutouts_and_textures_are_drawn_and_an_absent_set_says_why(tmp_path):
    hands, discs = drawn.write_hands(tmp_path / "hands"), drawn.write_objects(tmp_path / "objects")
    assert near(draw(hands, "hand0", thumb_px=100), ARROW_COLOUR).sum() > 30
    assert not near(draw(discs, "disc0", thumb_px=100), ARROW_COLOUR).any()
    stone = {"jpg": np.full((30, 20, 3), (10, 90, 200), np.uint8)}
    textures = drawn.write_drawn(tmp_path / "textures", "textures", "x", [("t", stone, {})])
    assert near(draw(textures, "t"), (10, 90, 200)).sum() > 30_000
    sheets = []
    for why in ("no", "not part of this profile, which has photographs of its own"):
        absent = drawn.write_drawn(tmp_path / why[:5], "benchmark", "x", [], absent=why)
        sheets.append(draw(absent))
    assert (sheets[0] < 128).any() and sheets[1].shape[1] > sheets[0].shape[1]


# Captions


def test_what_matters_comes_first_and_values_are_written_short():
    record = {"a": True, "b": "x\n y", "covered_frac": 0.123456, "face": "00024"}
    record |= {"name": "00024.jpg", "none": None, "long": list(range(9)), "deep": [[1, 2]]}
    record |= {"occluder": "hand_7", "placement": {"matrix": [[1, 0]], "size": 12345.6}}
    lines = caption(record | {"under": {"occluder": "cup"}}, "00024", 100)
    assert lines[:3] == ["occluder hand_7", "under: occluder cup", "covered frac 0.123"]
    assert lines[3] == "placement: size 1.23e+04"
    assert {"a True", "b x  y", "long 9 values", "deep 1, 2"} < set(lines)


def test_long_values_are_cut_and_what_does_not_fit_is_counted(monkeypatch):
    lines = caption({"why": "one two three four five six seven"}, "k", 12)
    assert lines == ["why one two", "  three…"]
    lines = caption({"name": "x" * 30}, "k", 12)
    assert lines == ["name xxxxxxx", "  …"]
    record = {f"field_{number}": number for number in range(9)}
    monkeypatch.setattr(contact_sheet, "MAX_LINES", 4)
    lines = caption(record, "k", 50)
    assert lines == ["field 0 0", "field 1 1", "field 2 2", "and 6 more"]
    for max_lines in range(1, 12):
        monkeypatch.setattr(contact_sheet, "MAX_LINES", max_lines)
        lines = caption(record | {"x" * 20: "y" * 80}, "k", 12)
        assert len(lines) <= max_lines and all(len(line) <= 12 for line in lines)


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


def test_the_label_s_border_is_drawn_between_its_pixels_where_it_meets_the_occluder(data):
    label = np.zeros((4, 5), bool)
    label[1:3, 2:4] = True
    drawn = comparisons.outline_pixels(np.zeros((40, 50, 3), np.uint8), label)
    line = (drawn == LABEL_RGB).all(axis=2)
    rows, columns = np.nonzero(line)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (10, 30, 20, 40)
    assert line[10, 20:41].all() and line[10:31, 40].all()
    assert not line[11:30, 21:40].any()
    faces, discs = ImageSet(data / "faces"), {"objects": [drawings.DISC]}
    drawn = comparisons.draw_labels(faces, faces.keys[:4], discs, columns=4, thumb_px=80)
    sheet = decode_image(drawn, "sheet")
    assert (sheet == LABEL_RGB).all(axis=2).sum() > 4 * comparisons.CROP_PX
