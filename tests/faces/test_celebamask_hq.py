import numpy as np
import pytest

from face_occlusion.faces.celebamask_hq import check_identities, original_seg_map, read_subsets
from tests.releases.build import make_release
from tests.tables import refuses

SHAPE = (4, 6)


def layer(*columns):
    mask = np.zeros(SHAPE, bool)
    mask[:, list(columns)] = True
    return mask


FACE_PARTS = ("l_eye", "r_eye", "l_brow", "r_brow", "mouth", "u_lip", "l_lip")
OTHERS = ("eye_g", "neck", "neck_l", "hair", "hat", "l_ear", "r_ear", "ear_r", "cloth")


def test_convention_parts_of_the_face_are_one_and_all_else_hides_it():
    parts = {"skin": layer(0, 1, 2), "nose": layer(3), "eye_g": layer(1), "hair": layer(2, 3)}
    assert original_seg_map(parts).tolist() == [[1, 0, 0, 0, 0, 0]] * 4
    assert original_seg_map(parts).dtype == np.uint8
    for part in FACE_PARTS + OTHERS:
        parts = {"skin": layer(0, 4), part: layer(4, 5)}
        last = [1, 1] if part in FACE_PARTS else [0, 0]
        assert original_seg_map(parts).tolist() == [[1, 0, 0, 0, *last]] * 4, part
        assert parts["skin"][:, 4].all()  # left unchanged
    refuses("no layer 'skin'; got \\['nose'\\]", original_seg_map, {"nose": layer(1)})


FACES = {number: f"{number}.jpg" for number in range(12)}
LISTS = {
    "CelebAMask-HQ-WO-train.txt": b"3.jpg\n0.jpg\n2.jpg\n",
    "CelebAMask-HQ-WO-test.txt": b"4.jpg\r\n5.jpg\r\n",
    "CelebAMask-HQ-O.txt": b"7.jpg\n",
}


def test_lists_are_read_and_counted(tmp_path):
    read = read_subsets(make_release(tmp_path, "celebamask_hq", LISTS), FACES)
    assert read.numbers == {"wo": [0, 2, 3], "wo_test": [4, 5], "o": [7]}
    assert read.counts == {"wo": 3, "wo_test": 2, "o": 1, "excluded": 6, "images": 12}
    assert read.info()["paper_counts"] == {"wo": 24603, "wo_test": 716, "o": 4597, "excluded": 86}
    assert read.identity_check.startswith("not checked: no CelebA-HQ-to-CelebA-mapping.txt and")


MAPPING = "idx orig_idx orig_file\n" + "".join(f"{n}  {n + 100}  {n:06d}.jpg\n" for n in range(12))


def check(tmp_path, people):
    identities = "".join(f"{number:06d}.jpg {person}\n" for number, person in enumerate(people))
    mapping = "CelebAMask-HQ/CelebAMask-HQ/CelebA-HQ-to-CelebA-mapping.txt"
    files = {mapping: MAPPING.encode(), "identity_CelebA.txt": identities.encode()}
    numbers = {"wo": [0, 1], "wo_test": [2, 3], "o": [4]}
    return check_identities(make_release(tmp_path / "raw", "celebamask_hq", files), numbers)


def test_identities_of_wo_train_and_wo_test_must_differ(tmp_path):
    text = check(tmp_path, [10, 11, 12, 12, 10])
    assert text == "checked: 1 identities of WO test, none in WO train"
    with pytest.raises(ValueError, match=r"1 identities are .* WO train; identity 11 is 3\.jpg"):
        check(tmp_path, [10, 11, 12, 11, 10])
    refuses("face 3 has no identity", check, tmp_path, [10, 11, 12])
