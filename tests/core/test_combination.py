"""The rows of Table 3: what they list, what they refuse, and which of them a change reaches."""

import dataclasses
import json
import shutil

import pytest

from face_occlusion.core.combination import (
    PAPER_COUNTS,
    CombinationParams,
    combine,
    difference_from_paper,
    open_parts,
    read_combination,
    write_combination,
)
from face_occlusion.core.imageset import write_image_set
from face_occlusion.core.imageset.format import variant_keys
from face_occlusion.core.params import load_params
from face_occlusion.reporting.cells import paper_cells
from tests.conftest import ROOT
from tests.tables import refuses, rows
from tests.tiny import run_stage

PROFILE = ROOT / "profiles" / "paper.yaml"


def write_set(folder, kind: str, num: int, content: bytes = b"", *, variants=1, **info) -> None:
    """Write samples of a kind in place of what the folder holds."""
    parts = {"jpg": b"image" + content, "png": b"mask"}
    parts |= {"original.png": b"mask"} if kind == "faces" else {}
    keys = list(variant_keys([f"{n:03d}" for n in range(-(-num // variants))], variants))[:num]
    info |= {"kind": kind, "name": folder.name, "sources": [], "params": {"variants": variants}}
    shutil.rmtree(folder, ignore_errors=True)
    write_image_set(folder, [(key, parts) for key in keys], info=info)


@pytest.fixture
def data(tmp_path):
    data = tmp_path / "data"
    write_set(data / "faces/wo", "faces", 5)
    write_set(data / "faces/o", "faces", 2)
    for name in ("natocc_hand", "natocc_hand_sot", "natocc_object", "randocc_1", "randocc_2"):
        write_set(data / "sets" / name, "synthetic", 5)
    return data


def params(*entries: str, masks: str = "corrected") -> CombinationParams:
    return CombinationParams(title="a row", masks=masks, data=entries)


@pytest.mark.parametrize(("online", "share", "data"), rows(__file__, "shares"))
def test_a_share_is_of_unoccluded_faces_and_names_what_occludes_them(online, share, data):
    with pytest.raises(ValueError, match="go together, and need faces/wo in data"):
        CombinationParams(title="t", masks="corrected", data=[data], online=online, share=share)


def test_parts_name_their_samples_in_order_and_the_masks(data):
    found = combine("mine", params("faces/o", "sets/randocc_1", masks="original"), data)
    assert [part.image_set for part in found.parts] == ["faces/o", "sets/randocc_1"]
    assert [part.mask for part in found.parts] == ["original.png", "png"]
    assert found.parts[0].keys == ["000", "001"]
    assert found.counts == (2, 5)


def test_written_and_read_again_it_is_the_same_unless_it_was_edited_or_damaged(data, tmp_path):
    path = tmp_path / "one.json"
    found = combine("c_wo_natocc", params("faces/wo", "sets/natocc_hand"), data)
    write_combination(path, found)
    assert read_combination(path) == found
    content = json.loads(path.read_text())
    paper = {"photographs": 24602, "generated": 49204}
    assert content["counts"] == {"photographs": 5, "generated": 5, "paper": paper}
    content["parts"][0]["keys"].pop()
    path.write_text(json.dumps(content))
    refuses(r"lists \(4, 5\) .* say \(5, 5\)", read_combination, path)
    not_one = "not a combination"
    for text, message in (
        ("{", "not readable as JSON"),
        ('{"counts": {}}', not_one),
        ('{"counts": {}, "parts": [{"keys": []}]}', not_one),
    ):
        path.write_text(text)
        refuses(message, read_combination, path)
    refuses("run `dvc repro combine`", read_combination, tmp_path / "none.json")


def test_counts_are_those_of_the_paper_s_table_4_and_of_the_paper_s_profile():
    for (name, _, _), cell in paper_cells().items():
        if cell.table == 4:
            photographs, _, generated = cell.quantity.partition("+")
            assert PAPER_COUNTS[name] == (int(photographs), int(generated or 0))
    for name, (photographs, generated) in PAPER_COUNTS.items():
        sets = load_params(PROFILE, f"combinations.{name}", CombinationParams).data
        num_generated = sum(entry.startswith("sets/") for entry in sets)
        assert num_generated == round(generated / 24602), name
        assert ("faces/o" in sets) == (photographs == 29200), name


@pytest.mark.parametrize("variants", [1, 3])
def test_a_set_holds_each_face_as_often_as_it_says(data, variants):
    whole = 5 * variants
    write_set(data / "sets/full", "synthetic", whole, variants=variants)
    write_set(data / "sets/short", "synthetic", whole - 1, variants=variants)
    assert combine("mine", params("faces/wo", "sets/full"), data).counts == (5, whole)
    message = rf"short: must hold {variants} sample\(s\) per face .*\(5\); got {whole - 1}"
    refuses(message, combine, "mine", params("faces/wo", "sets/short"), data)


@pytest.mark.parametrize(("entries", "same_faces", "difference"), rows(__file__, "differences"))
def test_counts_are_compared_with_the_papers(data, entries, same_faces, difference):
    row = combine("c_wo_natocc", params("faces/wo", *entries), data)
    found = difference_from_paper(row, same_faces=same_faces)
    assert found == difference or difference in found
    assert difference_from_paper(dataclasses.replace(row, name="mine"), same_faces=True) is None


def test_a_sample_without_its_mask_is_refused_and_an_absent_set_when_it_is_opened(data):
    info = {"kind": "faces", "name": "bare", "sources": []}
    write_image_set(data / "faces/bare", [("000", {"jpg": b"x"})], info=info)
    refuses("bare: sample 000 has no part png", combine, "mine", params("faces/bare"), data)
    write_set(data / "sets/away", "synthetic", 0, absent="no hands here")
    with pytest.raises(ValueError, match=r"cannot be trained on: .*away: no hands here"):
        open_parts(combine("c_wo", params("sets/away"), data), data)


def test_a_set_that_changed_after_it_was_listed_is_refused(data):
    found = combine("mine", params("faces/o"), data)
    assert [len(part.images) for part in open_parts(found, data)] == [2]
    write_set(data / "faces/o", "faces", 2, b"another")
    refuses("is not the set that a row lists", open_parts, found, data)
    refuses("is not an image set.* by `dvc pull`", open_parts, found, data.parent / "elsewhere")


def test_a_changed_set_changes_only_the_combinations_that_hold_it(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(PROFILE.read_text())

    def written() -> dict[str, bytes]:
        run_stage("combine", "data", "out")
        return {path.stem: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    before = written()
    assert set(before) == set(PAPER_COUNTS)
    write_set(data / "sets/natocc_hand", "synthetic", 5, b"another")
    after = written()
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"c_wo_natocc", "c_wo_mix", "c_cm_natocc"}
