import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from face_occlusion.apps.viewing.contact_sheet import (
    ARROW_COLOUR,
    FACE_COLOUR,
    ORIGINAL_COLOUR,
    caption,
    draw_contact_sheet,
    draw_cutout,
    draw_outlines,
    pick_keys,
    pick_largest,
)
from face_occlusion.core.images import encode_jpeg, encode_png, encode_rgba
from face_occlusion.core.imageset import ImageSet, encode_record, write_image_set

INFO = {"kind": "synthetic", "name": "natocc_hand", "sources": ["drawn here"]}


def texts(lines) -> list[str]:
    return ["".join(text for text, _ in line) for line in lines]


@pytest.fixture
def faces(tmp_path) -> ImageSet:
    """Grey pictures with a disc as face, an original mask that differs in every second."""
    yy, xx = np.mgrid[:60, :90]
    face = ((yy - 30) ** 2 + (xx - 45) ** 2 < 400).astype(np.uint8)
    samples = []
    for number in range(10):
        record = {"occluder": "hand", "placement": {"size": 0.5 + number / 20}, "seed": number}
        record["shift"] = 5 * (number % 2)
        parts = {
            "jpg": encode_jpeg(np.full((60, 90, 3), 25 * number, np.uint8), 95),
            "png": encode_png(face),
            "original.png": encode_png(np.roll(face, record["shift"], axis=1)),
            "json": encode_record(record),
        }
        samples.append((f"{number:05d}", parts))
    return write_image_set(tmp_path / "faces", samples, info=INFO)


def near(picture: np.ndarray, colour: tuple[int, int, int], within: int = 60) -> np.ndarray:
    return (np.abs(picture.astype(int) - colour) < within).all(axis=-1)


@pytest.mark.parametrize("grey", [0, 60, 128, 200, 255])
@pytest.mark.parametrize("scale", [0.5, 1, 4])
def test_the_outline_lies_on_the_masks_edge(grey, scale):
    yy, xx = np.mgrid[:120, :200]
    mask = (yy - 60) ** 2 + (xx - 100) ** 2 < 40**2
    picture = draw_outlines(
        np.full((120, 200, 3), grey, np.uint8), [(mask, FACE_COLOUR)], int(200 * scale)
    )
    assert picture.shape == (120 * scale, 200 * scale, 3)
    rows, columns = np.nonzero(near(picture, FACE_COLOUR, 90))
    # centres of pixels in the mask's pixels; its pixelated edge is a disc of about 40
    radius = np.hypot((rows + 0.5) / scale - 60.5, (columns + 0.5) / scale - 100.5)
    assert len(radius) > 2 * 40 * scale
    assert np.abs(radius - 39.9).max() < 1.2 / min(scale, 1)
    contrast = np.abs(picture.astype(int) - grey).max(axis=2)
    assert contrast[rows, columns].min() > 60  # seen on dark, middle and light skin


def test_masks_without_edge_draw_nothing_or_the_border():
    image = np.full((30, 40, 3), 128, np.uint8)
    empty = draw_outlines(image, [(np.zeros((30, 40), bool), FACE_COLOUR)], 40)
    np.testing.assert_array_equal(empty, image)
    full = draw_outlines(image, [(np.ones((30, 40), bool), FACE_COLOUR)], 40)
    assert not near(full[4:-4, 4:-4], FACE_COLOUR).any()
    assert (image == 128).all()


SIDES = {0: "right", 90: "down", 180: "left", -90: "up"}  # image coordinates


@pytest.mark.parametrize(("angle", "side"), SIDES.items())
def test_convention_arrow_of_the_pointing_direction(angle, side):
    cutout = np.full((101, 101, 4), (90, 60, 40, 255), np.uint8)
    arrow = near(draw_cutout(cutout, angle, 101), ARROW_COLOUR)
    rows, columns = np.nonzero(arrow)
    head = {"right": columns > 60, "left": columns < 40, "down": rows > 60, "up": rows < 40}
    assert head[side].sum() > 1.5 * np.median([side.sum() for side in head.values()])
    assert not near(draw_cutout(cutout, None, 101), ARROW_COLOUR).any()


def test_picks_are_spread_evenly_or_the_largest(faces):
    assert pick_keys(faces, 4) == ["00000", "00003", "00006", "00009"]
    assert pick_largest(faces, "seed", 2) == ["00009", "00008"]
    assert pick_largest(faces, "shift", 6) == [*faces.keys[1::2], "00000"]
    assert len(pick_largest(faces, "seed", 99)) == 10


def test_a_sheet_shows_each_sample_and_an_original_mask_that_differs(faces):
    keys = pick_keys(faces, 5)
    sheet, again = (draw_contact_sheet(faces, keys, columns=3, thumb_px=96) for _ in range(2))
    np.testing.assert_array_equal(sheet, again)
    greens = near(sheet[80:], FACE_COLOUR, 120).astype(np.uint8)  # below the legend
    num_outlines, _ = cv2.connectedComponents(cv2.dilate(greens, np.ones((9, 9), np.uint8)))
    assert num_outlines - 1 == 5
    for key, differs in (("00000", False), ("00001", True)):
        one = draw_contact_sheet(faces, [key], columns=1, thumb_px=96)
        assert (near(one[80:], ORIGINAL_COLOUR).sum() > 20) == differs


def test_an_absent_set_says_why_on_its_sheet(tmp_path):
    def sheet(why: str) -> np.ndarray:
        info = {**INFO, "kind": "benchmark", "absent": why}
        return draw_contact_sheet(write_image_set(tmp_path / why[:5], [], info=info), [])

    short, long = sheet("no"), sheet("not part of this profile, which has photographs of its own")
    assert (short < 128).any()
    assert long.shape[1] > short.shape[1]


def test_cutouts_and_textures_are_drawn(tmp_path):
    cutout = encode_rgba(np.full((30, 20, 4), (90, 60, 40, 255), np.uint8))
    record = encode_record({"category": "hand", "pointing_deg": 0.0})
    hands = write_image_set(
        tmp_path / "hands",
        [("a", {"rgba.png": cutout, "json": record}), ("b", {"rgba.png": cutout})],
        info={**INFO, "kind": "cutouts"},
    )
    sheet = draw_contact_sheet(hands, ["a", "b"], columns=2, thumb_px=100)
    assert near(sheet[:, : sheet.shape[1] // 2], ARROW_COLOUR).sum() > 30
    assert not near(sheet[:, sheet.shape[1] // 2 :], ARROW_COLOUR).any()
    stone = encode_jpeg(np.full((30, 20, 3), (10, 90, 200), np.uint8), 95)
    textures = write_image_set(
        tmp_path / "textures", [("t", {"jpg": stone})], info={**INFO, "kind": "textures"}
    )
    assert near(draw_contact_sheet(textures, ["t"]), (10, 90, 200)).sum() > 30_000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--columns", 0], "columns: must be at least 1; got 0"),
        (["--thumb-px", 47], "thumb_px: must be at least 48; got 47"),
        (["--key", "00010"], "faces: no sample '00010' among 10"),
        (["--num", 0], "num: must be at least 1; got 0"),
        (["--largest", "seed", "--num", 0], "num: must be at least 1; got 0"),
        (["--largest", "occluder"], "record of 00000 has no number 'occluder'; it has occluder, "),
    ],
)
def test_the_command_refuses_by_name(faces, invoke, options, message):
    assert message in invoke("look", faces.folder, *options, status=1)


# Captions


def test_what_matters_comes_first_and_values_are_written_short():
    record = {"a": True, "b": "x\n y", "covered_frac": 0.123456, "face": "00024"}
    record |= {"name": "00024.jpg", "none": None, "long": list(range(9)), "deep": [[1, 2]]}
    record |= {"occluder": "hand_7", "placement": {"matrix": [[1, 0]], "size": 12345.6}}
    lines = texts(caption(record, "00024", 100))
    assert lines[:3] == ["occluder hand_7", "covered_frac 0.123", "placement.size 12346"]
    assert {"a yes", "b x y", "long 9 values", "deep 1 values"} < set(lines)


def test_long_values_are_cut_and_what_does_not_fit_is_counted():
    lines = texts(caption({"why": "one two three four five six seven"}, "k", 12))
    assert lines == ["why one two", "  three fou…"]
    lines = texts(caption({"name": "x" * 30}, "k", 12))
    assert lines == ["name xxxxxxx", "  xxxxxxxxx…"]
    record = {f"field_{number}": number for number in range(9)}
    lines = texts(caption(record, "k", 50, max_lines=4))
    assert lines == ["field_0 0", "field_1 1", "field_2 2", "and 6 more"]
    assert len(caption(record, "k", 50, max_lines=9)) == 9


records = st.dictionaries(
    st.text(max_size=30),
    st.one_of(
        st.none(),
        st.text(max_size=80),
        st.floats(),
        st.lists(st.floats(), max_size=6),
        st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=3),
    ),
    max_size=12,
)


@given(records, st.integers(12, 40), st.integers(1, 12))
def test_captions_keep_to_their_room(record, width, max_lines):
    lines = caption(record, "key", width, max_lines)
    assert len(lines) <= max_lines
    assert all(len(text) <= width for text in texts(lines))
