"""Networks of others beside the grid."""

import csv
import dataclasses
import re

import pytest

from face_occlusion.evaluation.scores import RunScores, read_scores, write_scores
from face_occlusion.reporting.inputs import gather
from face_occlusion.reporting.page import page_context, render
from face_occlusion.reporting.report import all_tables
from face_occlusion.reporting.tables import write_table
from tests.reporting.conftest import paths


@pytest.fixture
def theirs(project, tmp_path) -> RunScores:
    """Scores of one of our runs, passed off as another network's."""
    network = {"title": "BiSeNet", "trained_on": "CelebAMask-HQ", "licence": "MIT"}
    network |= {"hair": "background", "glasses": "unknown", "ears": "face"}
    scores = read_scores(project[0] / "scores" / "pspnet_c_wo.json")
    changes = {"run": "bisenet", "model": "BiSeNet", "combination": "CelebAMask-HQ"}
    return dataclasses.replace(scores, **changes, inference={"network": network})


def test_a_network_of_others_is_a_row_with_its_licence_labels_and_intervals(
    project, made_tables, theirs, tmp_path
):
    assert "others" not in made_tables
    write_scores(tmp_path / "bisenet.json", theirs)
    root, made = project
    gathered = gather(made, *paths(root)[:-1], tmp_path)
    table = all_tables(gathered)["others"]
    row, best = table.wide.to_numpy().tolist()
    assert row[:6] == ["BiSeNet", "CelebAMask-HQ", "MIT", "background", "unknown", "face"]
    ours = made_tables["table4"].wide.set_index("Trained on").loc["C-WO"]
    assert ours["RealOcc: PSPNet"].startswith(f"{row[6]} · ") and "[" in row[6]
    assert best[0] == "best run here" and best[6].endswith("(SegFormer, C-CM + C-WO-NatOcc)")
    assert row[7] == "–" and any("the release is not there" in note for note in table.notes)

    page = render(page_context(gathered, {"others": table} | made_tables, []))
    assert '<a href="#others">Other networks</a>' in page and f"<td>{row[6]}</td>" in page
    write_table(tmp_path / "out", table)
    rows = list(csv.DictReader((tmp_path / "out/others.csv").open()))
    assert rows[0]["name"] == "bisenet" and float(rows[0]["boundary_iou"]) > 0
    assert re.search(r"BiSeNet.*MIT", (tmp_path / "out/others.md").read_text())


def test_scores_of_another_profile_or_not_of_others_are_refused(project, theirs, tmp_path):
    root, made = project
    for change, said in (
        ({"profile": "paper"}, "scores of profile 'paper'.*`face-occlusion score`, or remove it"),
        ({"inference": {"tta": None}}, ".*describes no `network`; remove it"),
    ):
        write_scores(tmp_path / "bisenet.json", dataclasses.replace(theirs, **change))
        with pytest.raises(ValueError, match=rf"bisenet\.json: {said}"):
            gather(made, *paths(root)[:-1], tmp_path)
