import csv
import json
import re
from dataclasses import replace

import cv2
import numpy as np
import pytest

from bench.auditing import RULES, judge, softmin_disbelief
from face_occlusion.apps.auditing import crossvalidation
from face_occlusion.apps.auditing.audit import audit_masks, disputed_face
from face_occlusion.apps.auditing.crossvalidation import AuditParams, Samples, assign_folds
from face_occlusion.core.classes import FACE
from face_occlusion.faces.correction import CorrectionsParams
from face_occlusion.faces.corrections import read_corrections
from tests.apps.auditing.faces import HEIGHT, WIDTH, draw, face_set

SIDE = 32
WRONG = {2, 9, 14}
PARAMS = AuditParams(side_px=SIDE, folds=1, iterations=40, batch_size=8)
LABELS = CorrectionsParams(folder="mine", labels={"face": "face", "background": "background"})


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audit")
    image_set = face_set(folder / "faces", 20, WRONG)
    face_set(folder / "wo", 20, set(), first=100)
    out, judged = folder / "out", {"part": "original.png", "num": 5}
    findings = audit_masks(folder / "faces", out, PARAMS, references=[folder / "wo"], **judged)
    return image_set, out, findings


def read_corrections_of(project, folder):
    """Read a LabelMe project as the stage `corrections` does."""
    folder.mkdir()
    (folder / "labelme").symlink_to(project, target_is_directory=True)
    return read_corrections(folder, LABELS)


def test_page_and_table_are_ranked_wrong_masks_first_and_ask_no_network(audited):
    image_set, out, findings = audited
    assert {int(finding.key) for finding in findings[: len(WRONG)]} == WRONG
    assert findings[2].score > 1.3 * findings[3].score
    assert findings[2].disputed_frac > 0.1 > findings[3].disputed_frac
    rows = list(csv.DictReader((out / "audit.csv").open()))
    assert [row["key"] for row in rows] == [finding.key for finding in findings]
    assert sorted(row["key"] for row in rows) == sorted(image_set.keys)
    assert [row["shown"] for row in rows] == ["1"] * 5 + ["0"] * 15
    boundary = [float(row["boundary_iou"]) for row in rows]
    assert 0 <= min(boundary) < boundary[-1] <= max(boundary) <= 1
    page = (out / "index.html").read_text()
    data = re.search(r'<script type="application/json" id="page">(.*?)</script>', page)
    assert data and "http" not in page
    faces = json.loads(data[1])["faces"]
    assert [face["name"] for face in faces] == [finding.key for finding in findings[:5]]
    for face, finding in zip(faces, findings, strict=False):
        assert face["order"] == {"suspicion": finding.score, "boundary": finding.boundary_iou}
        assert all((out / face[name]).is_file() for name in ("image", "thumb", "runs", "link"))


def test_the_project_comes_back_as_corrections(audited, tmp_path):
    image_set, out, findings = audited
    key = findings[0].key
    assert (out / f"labelme/{key}.jpg").read_bytes() == image_set.read(key, "jpg")
    project = read_corrections_of(out / "labelme", tmp_path / "a")
    assert sorted(project) == sorted(int(finding.key) for finding in findings[:5])
    drawn = project[int(key)].apply(image_set.seg_map(key))
    assert project[int(key)].size == (HEIGHT, WIDTH)
    assert np.mean(drawn != image_set.seg_map(key, "original.png")) < 0.01
    content = json.loads((out / f"labelme/{key}.json").read_text())
    cover = {"label": "background", "points": [[0, 20], [WIDTH, 20], [WIDTH, HEIGHT], [0, HEIGHT]]}
    content["shapes"].append(cover | {"shape_type": "polygon"})
    (edited := tmp_path / "edited").mkdir()
    (edited / f"{key}.json").write_text(json.dumps(content))
    (correction,) = read_corrections_of(edited, tmp_path / "b").values()
    corrected = correction.apply(image_set.seg_map(key))
    assert not corrected[20:].any()
    np.testing.assert_array_equal(corrected[:20], drawn[:20])


@pytest.mark.slow
def test_a_set_that_is_mostly_right_judges_itself(tmp_path):
    face_set(tmp_path / "faces", 30, WRONG)
    folder, out, params = tmp_path / "faces", tmp_path / "out", replace(PARAMS, folds=2)
    findings = audit_masks(folder, out, params, part="original.png")
    assert {int(finding.key) for finding in findings[: len(WRONG)]} == WRONG


def test_the_command_writes_the_page(tmp_path, monkeypatch, invoke):
    monkeypatch.chdir(tmp_path)
    face_set(tmp_path / "faces", 4, set())
    options = ["--iterations", 2, "--folds", 2, "--num", 3]
    assert "audit/index.html: 3 of 4 masks" in invoke("audit", "faces", *options)
    assert (tmp_path / "audit/index.html").is_file()


def samples(num: int, prefix: str = "", groups: list[str] | None = None) -> Samples:
    keys = [f"{prefix}{number}" for number in range(num)]
    drawn = [draw(number, False) for number in range(num)]
    images = np.stack([cv2.resize(image, (SIDE, SIDE)) for image, _, _ in drawn])
    faces = np.stack([cv2.resize(face * np.uint8(255), (SIDE, SIDE)) for _, face, _ in drawn])
    return Samples(keys, groups or keys, images, faces, np.full_like(faces, 255))


@pytest.mark.parametrize("rule", RULES)
def test_a_mask_that_the_network_shares_scores_nothing(rule):
    some = samples(3)
    agreed = (some.faces >= 128).astype(np.float32)
    assert RULES[rule](some, agreed) == pytest.approx(0, abs=1e-6)
    assert (RULES[rule](some, 1 - agreed) > 0.9).all()


def test_the_middle_of_a_face_counts_more_than_its_edge_and_background_not_at_all():
    some = samples(1)
    face = some.faces[0] >= 128
    core = cv2.erode(face.astype(np.uint8), np.ones((9, 9))) == 1
    ring = face & (cv2.erode(face.astype(np.uint8), np.ones((3, 3))) == 0)
    scores = []
    for disputed in (core, ring, ~face):
        places = np.flatnonzero(disputed)[:20]
        probability = face.astype(np.float32)
        probability.flat[places] = 1 - probability.flat[places]
        scores.append(disputed_face(some, probability[np.newaxis])[0])
    assert scores[0] > 2 * scores[1] > 0 and scores[2] == 0
    some.faces[0] = 255  # the image's border is no edge
    probability = np.ones((1, SIDE, SIDE), np.float32)
    probability[0, 0] = 0  # one row of 32, at the border
    assert disputed_face(some, probability) == pytest.approx([1 / SIDE])
    some.faces[0] = 0  # no face is wrong
    assert disputed_face(some, probability) == pytest.approx([1])


def test_softmin_is_cleanlabs_formula_and_precision_is_at_the_number_of_wrong_masks():
    some, rng = samples(2), np.random.default_rng(0)
    probability = rng.random((2, SIDE, SIDE), dtype=np.float32)
    some.known[0, :4] = 0
    quality = np.where(some.faces >= 128, probability, 1 - probability).astype(float)
    weights = np.exp((1 - quality) / 0.1) * (some.known > 0)
    expected = 1 - np.average(quality, axis=(1, 2), weights=weights)
    np.testing.assert_allclose(softmin_disbelief(some, probability), expected, rtol=1e-4)
    wrong = np.array([True, False, True, False, True])
    precision, average = judge(np.array([0.9, 0.8, 0.7, 0.6, 0.1]), wrong)
    assert precision == pytest.approx(2 / 3)
    assert average == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)


def test_groups_stay_in_one_fold_and_folds_are_even():
    groups = [f"person {number // 3}" for number in range(30)]
    folds = assign_folds(groups, AuditParams(folds=3))
    assert all(len(set(folds[start : start + 3])) == 1 for start in range(0, 30, 3))
    assert sorted(np.bincount(folds)) == [9, 9, 12]
    assert (folds != assign_folds(groups, AuditParams(folds=3, seed=1))).any()


def test_nothing_made_of_a_judged_face_is_trained_on(monkeypatch):
    def fit(_all, seen, _params, _fold, _bar):
        seen_by_fold.append({everything.groups[place] for place in seen})

    audited = samples(6, groups=["identity 1", "identity 1", "c", "d", "e", "f"])
    made = samples(5, "wo", groups=["identity 1", "0", "wo0", "3", "elsewhere"])
    everything = crossvalidation.join(audited, [made])
    assert everything.groups[6:] == ["identity 1", "identity 1", "identity 1", "d", "elsewhere"]
    seen_by_fold = []
    monkeypatch.setattr(crossvalidation, "_fit", fit)
    monkeypatch.setattr(crossvalidation, "_predict", lambda _, images: np.zeros(images.shape[:3]))
    params = AuditParams(folds=2)
    crossvalidation.cross_validate(audited, [made], params)
    folds = assign_folds(audited.groups, params)
    for fold, seen in enumerate(seen_by_fold):
        judged = {audited.groups[place] for place in np.flatnonzero(folds == fold)}
        assert not judged & seen and seen | judged == set(everything.groups)


def test_the_same_seed_gives_the_same_predictions_and_masks_of_the_fold_do_not_matter():
    some = samples(4)
    params = AuditParams(side_px=SIDE, folds=2, iterations=3, batch_size=2)
    first = crossvalidation.cross_validate(some, [], params)
    np.testing.assert_array_equal(first, crossvalidation.cross_validate(some, [], params))
    assert (first != crossvalidation.cross_validate(some, [], replace(params, seed=1))).any()
    judged = np.flatnonzero(assign_folds(some.groups, params) == 0)
    some.faces[judged] = 255 - some.faces[judged]
    again = crossvalidation.cross_validate(some, [], params)
    np.testing.assert_array_equal(again[judged], first[judged])


def test_covered_faces_lose_face_and_nothing_is_changed_in_place():
    some = samples(8)
    before = some.images.copy()
    (images, bare), (covered_images, covered) = (
        crossvalidation.sample_batch(some, np.arange(8), prob, np.random.default_rng(0))
        for prob in (0, 1)
    )
    np.testing.assert_array_equal(bare == FACE, some.faces >= 128)
    assert 0.5 < (covered == FACE).sum() / (bare == FACE).sum() < 0.95
    changed = (covered_images != images).any(axis=3)
    assert changed[(bare == FACE) & (covered != FACE)].mean() > 0.9
    np.testing.assert_array_equal([images, some.images], [before, before])
