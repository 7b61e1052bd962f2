import hashlib
import json
from dataclasses import replace

import pytest

from face_occlusion.core.release import Release
from face_occlusion.releases.archives import Limits
from face_occlusion.releases.fetch import SourceParams, fetch_release
from face_occlusion.releases.table import DRAWN_LICENCE, SOURCES, match_published
from tests.conftest import ROOT, files_of
from tests.releases.build import archive_dir, make_release, write_7z, write_zip

FOLDER = SourceParams(origin="folder", files=None, accept_changed=False, why=None)
ACCEPTED = replace(FOLDER, accept_changed=True)


def no_miniature(source, folder):
    raise AssertionError("the miniature was not asked for")


def fetch(name, folder, archives_dir, params=FOLDER, draw=no_miniature, limits=None):
    archives = archive_dir(archives_dir, folder.parent / "sources.lock", {name: params})
    return fetch_release(
        name, folder, params, archives=archives, draw_miniature=draw, limits=limits
    )


def fill_hands(folder):
    folder.mkdir(exist_ok=True)
    write_zip(folder / "Hands.zip", {"Hands/Hand_1.jpg": b"jpeg"})
    write_7z(folder / "11k-hands_masks.7z", {"11k-hands_masks/Hand_1.png": b"png"})
    (folder / "11k-hands_sample.txt").write_text("Hand_1.jpg\n")
    return folder


@pytest.fixture
def archives(tmp_path):
    return fill_hands(tmp_path / "archives")


def test_a_release_is_laid_out_and_recorded(tmp_path, archives):
    release = fetch("hands_11k", tmp_path / "raw", archives)
    masks, photo = "11k-hands_masks/11k-hands_masks/Hand_1.png", "Hands/Hands/Hand_1.jpg"
    assert release.names() == [masks, "11k-hands_sample.txt", photo]
    record = json.loads((tmp_path / "raw" / "release.json").read_text())
    assert record["origin"] == "folder"
    assert record["licence"] == SOURCES["hands_11k"].licence
    zipped = (archives / "Hands.zip").read_bytes()
    known = {"sha256": hashlib.sha256(zipped).hexdigest(), "size": len(zipped)}
    assert record["files"][0] == known | {"name": "Hands.zip"}
    assert (tmp_path / "raw" / "Hands.zip").stat().st_nlink == 1  # never linked to the user's own
    fetch("hands_11k", tmp_path / "again", archives)
    assert files_of(tmp_path / "raw") == files_of(tmp_path / "again")


def test_a_missing_archive_says_which_where_and_whence(tmp_path, archives):
    (archives / "11k-hands_masks.7z").unlink()
    (archives / "11k-hands_sample.txt").unlink()
    with pytest.raises(ValueError) as error:
        fetch("hands_11k", tmp_path / "raw", archives)
    message = str(error.value)
    assert message.startswith("download.archives_dir: source 'hands_11k' needs files")
    assert str(archives) in message and "11k-hands_sample.txt" in message
    assert "11k-hands_masks.7z (hands_11k)\n    from https://drive.google.com" in message
    assert "HandInfo.csv" not in message  # not needed
    assert not (tmp_path / "raw").exists()


def test_files_chooses_among_a_source(tmp_path):
    with pytest.raises(ValueError, match="no such folder"):
        fetch("dtd", tmp_path / "raw", tmp_path / "archives")
    (tmp_path / "archives").mkdir()
    with pytest.raises(ValueError, match=r"expected some of coco_object\.7z, train2017\.zip"):
        fetch("coco", tmp_path / "raw", tmp_path / "archives")
    with pytest.raises(ValueError, match="no source 'imagenet'; known: celebamask_hq"):
        fetch("imagenet", tmp_path / "raw", tmp_path / "archives")
    write_zip(tmp_path / "archives" / "train2017.zip", {"train2017/1.jpg": b"x"})
    for name, message in [
        ("coco_object.7z", r"coco_object\.7z \(coco\)\n    from "),
        ("val2017.zip", r"files: 'val2017\.zip' is not a file of source 'coco'; known"),
    ]:
        with pytest.raises(ValueError, match=message):
            params = replace(FOLDER, files=[name])
            fetch("coco", tmp_path / "raw", tmp_path / "archives", params)
    params = replace(ACCEPTED, files=["train2017.zip"])
    release = fetch("coco", tmp_path / "raw", tmp_path / "archives", params)
    assert release.names() == ["train2017/train2017/1.jpg"]


def cut(name, keep):
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:keep])


PAGE = "<!DOCTYPE html><html><title>Google Drive - Quota exceeded"
REFUSED = {  # of every kind one: the others are in test_archives
    "path outside": (
        lambda folder: write_zip(folder / "Hands.zip", {"../evil": b"x"}),
        r"Hands\.zip: .*outside the folder",
    ),
    "cut zip": (cut("Hands.zip", 30), r"Hands\.zip"),
    "cut 7z": (cut("11k-hands_masks.7z", 30), r"11k-hands_masks\.7z"),
    "web page": (
        lambda folder: (folder / "Hands.zip").write_text(PAGE),
        r"archives/Hands\.zip: Hands\.zip is the quota page",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_leaves_no_release_and_no_lock(tmp_path, archives, case):
    spoil, message = REFUSED[case]
    spoil(archives)
    with pytest.raises(ValueError, match=message):
        fetch("hands_11k", tmp_path / "raw", archives)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archives"]


def test_limits_a_damaged_lock_and_a_folder_in_use_are_refused(tmp_path, archives):
    with pytest.raises(ValueError, match="at most 0 are unpacked"):
        fetch("hands_11k", tmp_path / "raw", archives, limits=Limits(members=0))
    (tmp_path / "sources.lock").write_text("<<<<<<< HEAD")
    with pytest.raises(ValueError, match=r"sources\.lock: not a lock of releases"):
        fetch("hands_11k", tmp_path / "raw", archives)
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "mine").write_text("mine")
    with pytest.raises(ValueError, match="exists and is not an empty folder"):
        fetch("hands_11k", tmp_path / "raw", archives)
    assert (tmp_path / "raw" / "mine").read_text() == "mine"


def test_the_miniature_goes_the_same_way_and_an_absent_source_needs_no_archive(tmp_path):
    params = replace(FOLDER, origin="absent", why="not public")
    release = fetch("cofw", tmp_path / "cofw", tmp_path / "nowhere", params)
    assert release.absent == "not public"
    params = replace(FOLDER, origin="miniature")
    release = fetch("hands_11k", tmp_path / "raw", tmp_path, params, lambda _, to: fill_hands(to))
    assert release.read("Hands/Hands/Hand_1.jpg") == b"jpeg"
    assert release.info["origin"] == "miniature"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cofw", "raw"]


def test_another_checksum_than_the_published_one_is_taken_only_on_request(tmp_path):
    archives = tmp_path / "archives"
    archives.mkdir()
    write_7z(archives / "RealOcc.7z", {"RealOcc/image/x.jpg": b"x"})
    message = r"RealOcc\.7z: its size must be 226205702, as published .*got \d+"
    with pytest.raises(ValueError, match=message):
        fetch("realocc", tmp_path / "raw", archives)
    assert not (tmp_path / "raw").exists()
    release = fetch("realocc", tmp_path / "raw", archives, ACCEPTED)
    assert release.info["files"][0]["as_published"] is False
    assert not (tmp_path / "sources.lock").exists()


def test_the_first_checksum_seen_is_demanded_ever_since(tmp_path, archives):
    fetch("hands_11k", tmp_path / "raw", archives)
    lock = json.loads((tmp_path / "sources.lock").read_text())
    assert len(lock) == 3
    write_zip(archives / "Hands.zip", {"Hands/Hand_1.jpg": b"another"})
    message = r"Hands\.zip: its sha256 must be .*first seen .*sources\.lock.*accept_changed: true"
    with pytest.raises(ValueError, match=message):
        fetch("hands_11k", tmp_path / "again", archives)
    assert not (tmp_path / "again").exists()
    assert fetch("hands_11k", tmp_path / "again", archives, ACCEPTED).read("Hands/Hands/Hand_1.jpg")
    assert json.loads((tmp_path / "sources.lock").read_text()) == lock


def test_small_comes_in(tmp_path, small):
    counts = {"celebamask_hq": 12569, "hands_11k": 402, "dtd": 250, "realocc": 51}
    for name, count in counts.items():
        assert len(fetch(name, tmp_path / name, small, ACCEPTED).names()) == count


def test_published_names_match_in_any_case():
    name = "CelebAMask-HQ-WO-train.txt"
    assert match_published(name, [name, name.upper()]) == name
    assert match_published(name, ["CelebAMask_HQ_WO_Train.txt"]) == "CelebAMask_HQ_WO_Train.txt"
    assert match_published(name, ["other.txt"]) is None
    with pytest.raises(ValueError, match="several files could be this one"):
        match_published(name, [name.upper(), name.lower()])


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_states_its_terms_and_the_docs_agree(name):
    source = SOURCES[name]
    assert source.licence and source.citation and source.terms_url.startswith("http")
    rows = (ROOT / "docs" / "data.md").read_text().splitlines()
    told = [row for row in rows if row.startswith(f"| `{name}` |")]
    assert len(told) == 1
    assert told[0].endswith(f"| {source.licence} |")


def test_a_release_says_what_a_set_made_from_it_says(tmp_path):
    release = make_release(tmp_path, "dtd", {"a.txt": b"1"})
    assert release.provenance()["releases"]["dtd"]["licence"] == "not recorded"
    record = {"source": "dtd", "origin": "miniature", "licence": DRAWN_LICENCE, "files": []}
    (tmp_path / "release.json").write_text(json.dumps(record))
    said = Release(tmp_path).provenance()
    assert said["sources"] == ["dtd"]
    about = said["releases"]["dtd"]
    assert (about["licence"], about["origin"]) == (DRAWN_LICENCE, "miniature")
