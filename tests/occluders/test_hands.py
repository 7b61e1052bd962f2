import numpy as np
import pytest

from face_occlusion.core.images import decode_mask, encode_jpeg, encode_png
from face_occlusion.cutouts import clean_mask
from face_occlusion.occluders.direction import find_pose
from face_occlusion.releases.archives import Limits, unpack
from tests.occluders.imports import run
from tests.occluders.test_direction import apart_deg, hand
from tests.occluders.test_hand_sources import from_skin

INFO = (
    "id,age,gender,skinColor,accessories,nailPolish,aspectOfHand,imageName,irregularities\n"
    "7,30,female,dark,1,0,palmar left,Hand_0000001.jpg,0\n"
    "8,40,male,fair,0,0,dorsal right,Hand_0000002.jpg,0\n"
)


def hand_files(angles=(90, 60)):
    files = {"HandInfo.csv": INFO.encode()}
    names = [f"Hand_{number:07d}" for number in range(1, len(angles) + 1)]
    files["11k-hands_sample.txt"] = "".join(f"{name}.jpg\n" for name in names).encode()
    for name, angle in zip(names, angles, strict=True):
        mask = hand(angle, arm=600)
        image = np.where(mask[..., None], (180, 120, 90), (250, 250, 250)).astype(np.uint8)
        files[f"Hands/Hands/{name}.jpg"] = encode_jpeg(image, 95)
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
    hands = import_hands(tmp_path, hand_files() | {"HandInfo.csv": None}, max_side_px=64)
    assert max(hands.cutout("Hand_0000001").shape) == 64
    record = hands.record("Hand_0000001")
    assert record["scale"] < 1 and "person" not in record


IMAGE = "Hands/Hands/Hand_0000001.jpg"
MASK = "11k-hands_masks/11k-hands_masks/Hand_0000001.png"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({IMAGE: b"\xff\xd8\xff broken"}, r"Hand_0000001\.jpg"),
        ({MASK: b"broken"}, r"Hand_0000001\.png"),
        ({MASK: encode_png(np.ones((3, 5), "u1"))}, r"0001\.jpg: its mask: a mask of 3x5 pixels"),
        ({MASK: encode_png(np.zeros((400, 500), "u1"))}, r"0001\.jpg: its mask: the mask is empty"),
        ({"11k-hands_sample.txt": b"Hand_9.jpg\n"}, r"'Hand_9', which is not in Hands\.zip"),
        ({MASK: None}, r"'Hand_0000001', which is not in 11k-hands_masks\.7z"),
        ({"11k-hands_sample.txt": None}, r"one file like '\*11k-hands_sample\.txt', found 0"),
        ({"HandInfo.csv": b"id,imageName\n"}, r"HandInfo\.csv: no column accessories, age"),
        ({"HandInfo.csv": INFO.splitlines()[0].encode()}, r"no row in HandInfo\.csv"),
    ],
)
def test_bad_input_is_named_and_nothing_remains(tmp_path, changed, message):
    with pytest.raises(ValueError, match=message):
        import_hands(tmp_path, hand_files() | changed)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["raw"]


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
