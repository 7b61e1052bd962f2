import csv
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from face_occlusion.apps.auditing.audit import audit_masks
from face_occlusion.apps.auditing.crossvalidation import AuditParams
from face_occlusion.faces.correction import CorrectionsParams
from face_occlusion.faces.corrections import read_corrections
from tests.apps.auditing.faces import HEIGHT, WIDTH, face_set

WRONG = {2, 9, 14}
PARAMS = AuditParams(side_px=32, folds=1, iterations=120, batch_size=8)
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
    params = replace(PARAMS, folds=2)
    findings = audit_masks(tmp_path / "faces", tmp_path / "out", params, part="original.png")
    assert {int(finding.key) for finding in findings[: len(WRONG)]} == WRONG


def test_the_command_writes_the_page(tmp_path, monkeypatch, invoke):
    monkeypatch.chdir(tmp_path)
    face_set(tmp_path / "faces", 4, set())
    options = ["--iterations", 2, "--folds", 2, "--num", 3]
    assert "audit/index.html: 3 of 4 masks" in invoke("audit", "faces", *options)
    assert (tmp_path / "audit/index.html").is_file()
