import numpy as np
import pytest

from face_occlusion.faces.celebamask_hq import check_identities, original_seg_map, read_subsets
from tests.releases.build import make_release

SHAPE = (4, 6)


def layer(*columns):
    mask = np.zeros(SHAPE, bool)
    mask[:, list(columns)] = True
    return mask


def test_convention_face_is_one_and_layers_that_hide_it_win():
    parts = {"skin": layer(0, 1, 2), "nose": layer(3), "eye_g": layer(1), "hair": layer(2, 3)}
    assert original_seg_map(parts).tolist() == [[1, 0, 0, 0, 0, 0]] * 4
    assert original_seg_map(parts).dtype == np.uint8


FACE_PARTS = ("l_eye", "r_eye", "l_brow", "r_brow", "mouth", "u_lip", "l_lip")
OTHERS = ("eye_g", "neck", "neck_l", "hair", "hat", "l_ear", "r_ear", "ear_r", "cloth")


@pytest.mark.parametrize("part", FACE_PARTS + OTHERS)
def test_parts_of_the_face_count_as_face_and_all_else_hides_it(part):
    parts = {"skin": layer(0, 4), part: layer(4, 5)}
    last = [1, 1] if part in FACE_PARTS else [0, 0]
    assert original_seg_map(parts).tolist() == [[1, 0, 0, 0, *last]] * 4
    assert parts["skin"][:, 4].all()  # left unchanged


def test_bad_layers_are_refused():
    with pytest.raises(ValueError, match="no layer 'skin'; got \\['nose'\\]"):
        original_seg_map({"nose": layer(1)})
    with pytest.raises(ValueError, match="unknown layers \\['tail'\\]"):
        original_seg_map({"skin": layer(1), "tail": layer(1)})
    with pytest.raises(ValueError, match="layers must all have the same size"):
        original_seg_map({"skin": layer(1), "nose": layer(1).T})


FACES = {number: f"{number}.jpg" for number in range(12)}
LISTS = {
    "CelebAMask-HQ-WO-train.txt": b"3.jpg\n0.jpg\n2.jpg\n",
    "CelebAMask-HQ-WO-test.txt": b"4.jpg\r\n5.jpg\r\n",
    "CelebAMask-HQ-O.txt": b"7.jpg\n",
}


def subsets(tmp_path, **changed):
    return read_subsets(make_release(tmp_path / "raw", "celebamask_hq", LISTS | changed), FACES)


def test_lists_are_read_and_counted(tmp_path):
    read = subsets(tmp_path)
    assert read.numbers == {"wo": [0, 2, 3], "wo_test": [4, 5], "o": [7]}
    assert read.counts == {"wo": 3, "wo_test": 2, "o": 1, "excluded": 6, "images": 12}
    assert read.info()["paper_counts"] == {"wo": 24603, "wo_test": 716, "o": 4597, "excluded": 86}
    assert read.identity_check.startswith("not checked: no CelebA-HQ-to-CelebA-mapping.txt and")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"7.jpg\n99.jpg\n", r"CelebAMask-HQ-O\.txt: names face '99.jpg', which is not among"),
        (b"7.jpg\n7.jpg\n", r"CelebAMask-HQ-O\.txt: names face '7.jpg' twice"),
        (b"7.jpg\n4.jpg\n", r"O\.txt: face 4.jpg is also in CelebAMask-HQ-WO-test\.txt"),
        (b"seven.jpg\n", r"O\.txt: 'seven.jpg' is not an image name"),
        (b"\n", r"O\.txt: the list is empty"),
    ],
)
def test_bad_lists_are_refused_by_name(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        subsets(tmp_path, **{"CelebAMask-HQ-O.txt": content})


MAPPING = "idx orig_idx orig_file\n" + "".join(f"{n}  {n + 100}  {n:06d}.jpg\n" for n in range(12))


def check(tmp_path, people):
    identities = "".join(f"{number:06d}.jpg {person}\n" for number, person in enumerate(people))
    files = {
        "CelebAMask-HQ/CelebAMask-HQ/CelebA-HQ-to-CelebA-mapping.txt": MAPPING.encode(),
        "identity_CelebA.txt": identities.encode(),
    }
    numbers = {"wo": [0, 1], "wo_test": [2, 3], "o": [4]}
    return check_identities(make_release(tmp_path / "raw", "celebamask_hq", files), numbers)


def test_identities_of_wo_train_and_wo_test_must_differ(tmp_path):
    text = check(tmp_path, [10, 11, 12, 12, 10])
    assert text == "checked: 1 identities of WO test, none in WO train"
    with pytest.raises(ValueError, match=r"1 identities are .* WO train; identity 11 is 3\.jpg"):
        check(tmp_path, [10, 11, 12, 11, 10])
    with pytest.raises(ValueError, match="face 3 has no identity"):
        check(tmp_path, [10, 11, 12])
