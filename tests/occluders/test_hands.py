import io
from pathlib import Path

import cv2
import numpy as np
import pytest
import scipy.io

from face_occlusion.core.images import decode_mask, encode_jpeg, encode_png
from face_occlusion.cutouts import clean_mask
from face_occlusion.occluders.direction import find_pose
from face_occlusion.occluders.hands import find_hands
from face_occlusion.releases.archives import Limits, unpack
from tests.core.images.drawn import save
from tests.occluders.imports import run
from tests.occluders.test_direction import apart_deg, hand
from tests.releases.build import make_release
from tests.tables import refuses, rows, with_changes

SIZE, SKIN = (400, 500), (180, 120, 90)
HAND_A = "A_P_hgr1_id02_1"


def skin_photo(mask, ground=(30, 60, 40)):
    return encode_jpeg(np.where(mask[..., None], SKIN, ground).astype(np.uint8), 95)


def from_skin(cutout):
    """How far each opaque pixel of a cut-out is from the skin of `skin_photo`."""
    opaque = cutout[cutout[..., 3] == 255][:, :3].astype(int)
    return np.abs(opaque - SKIN).max(axis=1)


def hand_files():
    files = {"HandInfo.csv": Path(__file__).with_name("HandInfo.csv").read_bytes()}
    files["11k-hands_sample.txt"] = b"Hand_0000001.jpg\nHand_0000002.jpg\n"
    for number, angle in ((1, 90), (2, 60)):
        mask, name = hand(angle, arm=600), f"Hand_{number:07d}"
        files[f"Hands/Hands/{name}.jpg"] = skin_photo(mask, ground=(250, 250, 250))
        files[f"11k-hands_masks/11k-hands_masks/{name}.png"] = encode_png(mask * np.uint8(255))
    return files


def import_hands(tmp_path, files, **changed):
    return run(tmp_path, "hands", "hands_11k", files, **changed)


def test_hands_are_cut_out_with_their_direction(tmp_path):
    hands = import_hands(tmp_path, hand_files())
    assert hands.keys == ["Hand_0000001", "Hand_0000002"]
    assert hands.info["kind"] == "cutouts"
    record = hands.record("Hand_0000001")
    assert apart_deg(record["pointing_deg"], 90) < 15
    assert apart_deg(hands.record("Hand_0000002")["pointing_deg"], 60) < 15
    assert record["enters"] == "top"
    assert record["category"] == "hand"
    assert [record[field] for field in ("person", "skin_colour")] == ["7", "dark"]
    assert record["aspect"] == "palmar left"
    cutout = hands.cutout("Hand_0000001")
    assert cutout[0, :, 3].max() == 255  # the arm's cut stays hard
    assert from_skin(cutout).max() < 25  # no white; JPEG rings a little


def test_cutouts_are_shrunk_and_hand_info_may_be_missing(tmp_path):
    files = with_changes(hand_files(), {"HandInfo.csv": None})
    hands = import_hands(tmp_path, files, max_side_px=64)
    assert max(hands.cutout("Hand_0000001").shape) == 64
    record = hands.record("Hand_0000001")
    assert record["scale"] < 1 and "person" not in record


def test_real_hands_turned_are_found_turned(tmp_path, small):
    """Directions of real masks turn with the photograph."""
    unpack(small / "11k-hands_masks.7z", tmp_path / "masks", Limits())
    for path in sorted(tmp_path.rglob("*.png"))[::25]:
        mask = clean_mask(decode_mask(path.read_bytes(), path.name) > 0, hole_frac=0.01, close_px=0)
        upright = find_pose(mask)
        assert apart_deg(upright.pointing_deg, 90) < 60  # 11k Hands come in from the top
        turned = find_pose(np.rot90(mask))  # counter-clockwise: down becomes right
        assert apart_deg(turned.pointing_deg, upright.pointing_deg - 90) < 10
        mirrored = find_pose(mask[:, ::-1])
        assert apart_deg(mirrored.pointing_deg, 180 - upright.pointing_deg) < 10


def hgr1_files(published):
    files = {}
    for stem, angle in ((HAND_A, -90), ("5_P_hgr1_id12_3", 0)):
        mask = hand(angle, arm=600)
        if published:  # masks of 1 bit, skin black
            files[f"hgr1_images/original_images/{stem}.jpg"] = skin_photo(mask)
            files[f"hgr1_skin/skin_masks/{stem}.bmp"] = save(~mask, "BMP")
        else:
            files[f"hgr1/hgr1/img/{stem}.jpg"] = skin_photo(mask)
            files[f"hgr1/hgr1/mask/{stem}.png"] = encode_png(mask * np.uint8(255))
    return files


@pytest.mark.parametrize("published", [True, False])
def test_hgr1_in_both_layouts(tmp_path, published):
    hands = run(tmp_path, "hands_hgr1", "hgr1", hgr1_files(published))
    assert hands.keys == ["5_P_hgr1_id12_3", "A_P_hgr1_id02_1"]
    assert hands.info.items() >= {"name": "hands_hgr1", "sources": ["hgr1"]}.items()
    record = hands.record(HAND_A)
    assert (record["posture"], record["person"]) == ("A", "02")
    assert apart_deg(record["pointing_deg"], -90) < 15
    assert record["enters"] == "bottom"
    assert 0.1 < record["alpha_frac"] < 0.9
    assert from_skin(hands.cutout("5_P_hgr1_id12_3")).max() < 25  # not what is around it


def test_at_most_so_many_are_taken_evenly_and_other_sources_have_no_hands(tmp_path):
    files = {}
    for number in range(9):
        files[f"hgr1/hgr1/img/A_P_hgr1_id01_{number}.jpg"] = b""
        files[f"hgr1/hgr1/mask/A_P_hgr1_id01_{number}.png"] = b""
    release = make_release(tmp_path, "hgr1", files)
    assert [found.key[-1] for found in find_hands(release, 3)] == ["0", "4", "8"]
    assert len(find_hands(release, 0)) == len(find_hands(release, 99)) == 9
    with pytest.raises(ValueError, match="'dtd' has no hands; expected one of hands_11k, hgr1"):
        find_hands(make_release(tmp_path, "dtd", {}), 0)


SIDES = ("myleft", "myright", "yourleft", "yourright")


def polygon_of(mask):
    """The outline in MATLAB's pixels: the centre of the first is (1, 1)."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return max(contours, key=len)[:, 0].astype(float) + 1


def polygons_mat(*frames):
    table = np.zeros((1, len(frames)), [(side, object) for side in SIDES])
    for place, frame in enumerate(frames):
        for side in SIDES:
            table[side][0, place] = frame.get(side, np.zeros((0, 0)))
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, {"polygons": table})
    return buffer.getvalue()


VIDEO = "egohands_data/_LABELLED_SAMPLES/CARDS_OFFICE_B_T"
MAT = f"{VIDEO}/polygons.mat"
TINY = np.array([[5.0, 5], [20, 5], [20, 20], [5, 20]])
HAND = hand(-60, arm=600)


def egohands_files(*frames):
    files = {MAT: polygons_mat(*frames), "egohands_data/metadata.mat": b"x"}
    for number, _ in enumerate(frames):
        files[f"{VIDEO}/frame_{number:04d}.jpg"] = skin_photo(HAND)
    return files


def test_egohands_gives_the_largest_hand_of_a_frame(tmp_path):
    frames = [{"myleft": TINY, "yourright": polygon_of(HAND)}, {"myleft": TINY}, {}]
    hands = run(tmp_path, "hands_ego", "egohands", egohands_files(*frames))
    assert hands.keys == ["CARDS_OFFICE_B_T_frame_0000_yourright"]
    record = hands.record(hands.keys[0])
    assert (record["person"], record["activity"], record["side"]) == ("T", "CARDS", "yourright")
    assert apart_deg(record["pointing_deg"], -60) < 15
    cutout = hands.cutout(hands.keys[0])
    assert (from_skin(cutout) > 25).mean() < 0.02  # gaps of the outline
    assert (cutout[..., 3] > 127).sum() == pytest.approx(HAND.sum(), rel=0.03)


def drawn_mask(folder, *corners):
    """The mask of a rectangle in EgoHands' polygons, from (left, top) to (right, bottom)."""
    (left, top), (right, bottom) = corners
    outline = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    release = make_release(folder, "egohands", egohands_files({"myright": outline}))
    return find_hands(release, 0)[0].mask(release, SIZE)


def test_convention_matlab_counts_pixels_from_one_and_polygons_end_at_the_frame(tmp_path):
    mask = drawn_mask(tmp_path / "one", (0.5, 0.5), (100.5, 80.5))
    assert mask[:80, :100].all() and mask.sum() == 80 * 100
    mask = drawn_mask(tmp_path / "two", (-30.0, 300), (200, 460))
    assert mask[-1, 0] and mask.sum() == pytest.approx(200 * 100, rel=0.02)


SOURCES = {
    "hands": ("hands_11k", hand_files()),
    "hands_hgr1": ("hgr1", hgr1_files(published=False)),
    "hands_ego": ("egohands", egohands_files({"myleft": polygon_of(HAND)})),
}
MASK = "11k-hands_masks/11k-hands_masks/Hand_0000001.png"
BAD = [
    *([kind, *row] for kind in SOURCES for row in rows(__file__, kind)),
    ["hands", {MASK: encode_png(HAND & False)}, r"1\.jpg: its mask \(.*1\): the mask is empty"],
    ["hands_ego", {MAT: polygons_mat({}, {})}, "polygons of 2 frames, with 1 frames"],
    ["hands_ego", {MAT: polygons_mat({"myleft": TINY})}, "no frame with a hand of"],
]


@pytest.mark.parametrize(("kind", "changes", "message"), BAD)
def test_bad_input_is_named_and_nothing_remains(tmp_path, kind, changes, message):
    origin, files = SOURCES[kind]
    refuses(message, run, tmp_path, kind, origin, with_changes(files, changes))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["raw"]
