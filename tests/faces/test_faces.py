import json
import shutil

import numpy as np
import pytest

from face_occlusion.core.images import decode_image, encode_jpeg, encode_png
from face_occlusion.core.release import Release
from face_occlusion.faces.celebamask_hq import check_identities, original_seg_map, read_subsets
from face_occlusion.faces.corrections import import_corrections, read_corrections
from face_occlusion.faces.faces import FacesParams, import_faces
from tests.conftest import processes
from tests.faces.drawn import PARAMS as CORRECTIONS
from tests.faces.drawn import box, celebamask_files, labelme, put, shape
from tests.releases.build import ellipse, make_release, photo
from tests.tables import refuses, rows, with_changes

PARAMS = {"size_px": 0, "jpeg_quality": 95, "samples_per_shard": 2}
ROOT = "CelebAMask-HQ/CelebAMask-HQ"
CORRECTED = "CelebAMask-HQ-masks_corrected/CelebAMask-HQ-masks_corrected"


def correct(tmp_path, *, changed=None, drawn=None):
    """Run the stage `corrections`; return the release and the masks."""
    files = with_changes(celebamask_files(), changed or {})
    release = make_release(tmp_path / "raw", "celebamask_hq", files)
    mine = read_corrections(put(tmp_path / "drawn", drawn), CORRECTIONS) if drawn else {}
    with processes(1):
        return release, import_corrections(release, tmp_path / "masks", CORRECTIONS, mine)


def run(tmp_path, *, out="faces", size_px=0, **fault):
    """Run the stages `corrections` and `faces`."""
    shutil.rmtree(tmp_path / "masks", ignore_errors=True)
    release, masks = correct(tmp_path, **fault)
    params = FacesParams(**PARAMS | {"size_px": size_px})
    with processes(1):
        return import_faces(release, masks, tmp_path / out, params)


def changes(tmp_path):
    return json.loads((tmp_path / "masks" / "changes.json").read_text())


def test_three_sets_with_both_masks(tmp_path):
    sets = run(tmp_path)
    assert {name: len(s) for name, s in sets.items()} == {"wo": 3, "wo_test": 2, "o": 2}
    assert sets["wo"].keys == ["00000", "00001", "00002"]
    assert sets["wo"].parts("00001") == ["jpg", "json", "original.png", "png"]
    assert sets["wo"].info.items() >= {"kind": "faces", "sources": ["celebamask_hq"]}.items()
    assert sets["wo"].info["counts"]["excluded"] == 1
    given = celebamask_files()[f"{ROOT}/CelebA-HQ-img/0.jpg"]
    assert sets["wo"].read("00000", "jpg") == given  # of the right size: its bytes are kept
    seg_map = sets["wo"].seg_map("00001")
    assert seg_map.shape == (64, 64)  # the layers are half as large
    np.testing.assert_array_equal(seg_map, sets["wo"].seg_map("00001", "original.png"))
    record = sets["wo"].record("00001")
    known = {"name": "1.jpg", "layers": ["hair", "skin"], "changed_frac": 0}
    assert record.items() >= known.items()
    assert record["face_frac"] == pytest.approx(seg_map.mean())


def test_a_correction_changes_one_mask_only_and_grey_photographs_pass(tmp_path):
    smaller = encode_png(ellipse(32, 32, 0.1).astype(np.uint8))
    grey = encode_jpeg(np.repeat(photo(64, 64)[..., :1], 3, axis=2), 90)
    changed = {f"{CORRECTED}/5.png": smaller, f"{ROOT}/CelebA-HQ-img/5.jpg": grey}
    faces = run(tmp_path, changed=changed)["o"]
    np.testing.assert_array_equal(faces.image("00005"), decode_image(grey, "grey"))
    before, after = faces.seg_map("00005", "original.png") == 1, faces.seg_map("00005") == 1
    assert after.sum() < before.sum()
    record = faces.record("00005")
    assert record["changed_frac"] > 0.1
    assert record["corrected_by"] == "authors"
    assert record["changed_px"] == (before != after).sum()
    iou = (before & after).sum() / (before | after).sum()
    summary = faces.info["changes"]
    assert record["iou_with_original"] == summary["min_iou_with_original"] == iou
    assert summary["num_changed"] == 1


def test_a_correction_by_the_user_replaces_the_authors(tmp_path):
    numbers = {5: box(8, 8, 16, 24), 0: box(8, 8, 10, 24)}  # on the mask's 32 x 32, not on 64 x 64
    drawn = {
        f"labelme/{n}.json": labelme(shape("face", area), name=f"{n}.jpg", size=(32, 32))
        for n, area in numbers.items()
    }
    plain = run(tmp_path, out="plain")
    assert plain["o"].info["corrections"] == changes(tmp_path)["corrections"] == "none"
    assert changes(tmp_path)["faces"] == []
    faces, report = run(tmp_path, drawn=drawn), changes(tmp_path)
    expected = np.zeros((64, 64), np.uint8)
    expected[16:48, 16:32] = 1
    np.testing.assert_array_equal(faces["o"].seg_map("00005"), expected)
    authors = plain["o"].seg_map("00005") == 1
    record = faces["o"].record("00005")
    assert record["corrected_by"] == "labelme"
    assert record["changed_px_authors"] == (authors != expected).sum()
    assert record["iou_with_authors"] == (authors & expected).sum() / (authors | expected).sum()
    by = {"authors": 1, "labelme": 1}
    for counted in (faces["o"].info["changes"], report["subsets"]["o"]):
        assert counted["corrected_by"] == by
    assert report["corrections"] == faces["o"].info["corrections"] == "corrections"
    largest, row = report["faces"]  # the largest change first
    assert (largest["key"], largest["subset"]) == ("00000", "wo")
    assert (row["key"], row["subset"]) == ("00005", "o")
    changed_px = (expected[::2, ::2] != (authors[::2, ::2])).sum()
    assert row["changed_px"] == changed_px == row["changed_px_authors"]
    assert report["subsets"]["wo_test"]["num_changed"] == 0
    assert faces["wo_test"].shards == plain["wo_test"].shards  # everything else is as without
    assert faces["o"].read("00006", "png") == plain["o"].read("00006", "png")


def test_a_correction_of_no_listed_face_is_refused(tmp_path):
    drawn = {"labelme/7.json": labelme(shape("hand", box(0, 0, 9, 9)), name="7.jpg")}
    refuses(r"labelme/7\.json: face 7 is in none of the release's", correct, tmp_path, drawn=drawn)
    assert not (tmp_path / "masks").exists()


def test_other_sizes_are_resized_and_existing_sets_are_left_alone(tmp_path):
    faces = run(tmp_path, size_px=32)["wo"]
    image = faces.image("00000")
    assert image.shape == (32, 32, 3)
    blocks = photo(64, 64, 0).reshape(32, 2, 32, 2, 3).mean(axis=(1, 3))
    assert np.abs(image - blocks).mean() < 3
    assert faces.seg_map("00000").shape == faces.seg_map("00000", "original.png").shape == (32, 32)
    assert faces.record("00000")["release_size"] == [64, 64]
    refuses("faces/wo: exists and is not an empty folder; nothing", run, tmp_path)


SEVENS = {f"{CORRECTED}/4.png": encode_png(np.full((32, 32), 7, np.uint8))}
BAD = [*rows(__file__, "refused"), [SEVENS, r"masks_corrected/4\.png"]]


@pytest.mark.parametrize(("changed", "message"), BAD)
def test_bad_input_is_named_and_nothing_remains(tmp_path, changed, message):
    refuses(message, run, tmp_path, changed=changed)
    assert {path.name for path in tmp_path.iterdir()} <= {"raw", "masks", "faces"}
    assert not list((tmp_path / "faces").glob("*"))


def test_a_release_that_is_absent_or_without_images_is_refused(tmp_path):
    _, masks = correct(tmp_path)
    (tmp_path / "raw" / "release.json").write_text('{"source": "celebamask_hq", "absent": "gone"}')
    absent = Release(tmp_path / "raw")
    empty = make_release(tmp_path / "empty", "celebamask_hq", {"readme.txt": b"x"})
    with pytest.raises(ValueError, match=r"files like '\*/CelebA-HQ-img/\*\.jpg'.*found readme"):
        import_corrections(empty, tmp_path / "none", CORRECTIONS, {})
    with pytest.raises(ValueError, match=r"absent \(gone\); faces need it"):
        import_faces(absent, masks, tmp_path / "faces", FacesParams(**PARAMS))
    with pytest.raises(ValueError, match=r"absent \(gone\); corrections need it"):
        import_corrections(absent, tmp_path / "again", CORRECTIONS, {})


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
