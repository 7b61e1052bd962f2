import hashlib
import json
from dataclasses import replace
from functools import partial
from unittest import mock

import pytest

from face_occlusion.core.release import Release
from face_occlusion.releases.archives import Limits
from face_occlusion.releases.fetch import SourceParams, fetch_release
from face_occlusion.releases.table import DRAWN_LICENCE, SOURCES, match_published
from tests.conftest import ROOT, files_of
from tests.releases.build import archive_dir, make_release, write_7z, write_zip
from tests.tables import refuses, rows

FOLDER = SourceParams(origin="folder", files=None, accept_changed=False, why=None)
ACCEPTED = replace(FOLDER, accept_changed=True)


def fetch(name, folder, archives_dir, params=FOLDER, draw=None):
    archives = archive_dir(archives_dir, folder.parent / "sources.lock", {name: params})
    return fetch_release(name, folder, params, archives=archives, draw_miniature=draw)


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
    assert release.names == [masks, "11k-hands_sample.txt", photo]
    record = json.loads((tmp_path / "raw" / "release.json").read_text())
    assert record["origin"] == "folder"
    assert record["licence"] == SOURCES["hands_11k"].licence
    zipped = (archives / "Hands.zip").read_bytes()
    known = {"sha256": hashlib.sha256(zipped).hexdigest(), "size": len(zipped)}
    assert record["files"][0] == known | {"name": "Hands.zip"}
    assert (tmp_path / "raw" / "Hands.zip").stat().st_nlink == 1  # never linked to the user's own
    fetch("hands_11k", tmp_path / "again", archives)
    assert files_of(tmp_path / "raw") == files_of(tmp_path / "again")


def test_what_is_missing_is_said_by_file_folder_and_address(tmp_path, archives):
    (archives / "11k-hands_masks.7z").unlink()
    (archives / "11k-hands_sample.txt").unlink()
    with pytest.raises(ValueError) as error:
        fetch("hands_11k", tmp_path / "raw", archives)
    message = str(error.value)
    assert message.startswith("download.archives_dir: source 'hands_11k' needs files")
    assert str(archives) in message and "11k-hands_sample.txt" in message
    assert "11k-hands_masks.7z (hands_11k)\n    from https://drive.google.com" in message
    assert "HandInfo.csv" not in message  # not needed
    for source, folder, files, said in rows(__file__, "missing"):
        with pytest.raises(ValueError, match=said):
            fetch(source, tmp_path / "raw", tmp_path / folder, replace(FOLDER, files=files))
    write_zip(archives / "train2017.zip", {"train2017/1.jpg": b"x"})
    params = replace(ACCEPTED, files=["train2017.zip"])
    release = fetch("coco", tmp_path / "raw", archives, params)
    assert release.names == ["train2017/train2017/1.jpg"]


PAGE = b"<!DOCTYPE html><html><title>Google Drive - Quota exceeded"


def test_what_is_refused_leaves_no_release_and_no_lock(tmp_path, archives):
    """Of every kind one: the others are in test_archives."""
    zipped, packed = archives / "Hands.zip", archives / "11k-hands_masks.7z"
    outside = write_zip(tmp_path / "outside.zip", {"../evil": b"x"}).read_bytes()
    (tmp_path / "outside.zip").unlink()
    for path, content, message in (
        (zipped, outside, r"Hands\.zip: .*outside the folder"),
        (zipped, zipped.read_bytes()[:30], r"Hands\.zip"),
        (packed, packed.read_bytes()[:30], r"11k-hands_masks\.7z"),
        (zipped, PAGE, r"archives/Hands\.zip: Hands\.zip is the quota page"),
    ):
        fill_hands(archives)
        path.write_bytes(content)
        refuses(message, fetch, "hands_11k", tmp_path / "raw", archives)
        assert sorted(one.name for one in tmp_path.iterdir()) == ["archives"]


def test_limits_a_damaged_lock_and_a_folder_in_use_are_refused(tmp_path, archives):
    raw, lock = tmp_path / "raw", tmp_path / "sources.lock"
    none = mock.patch("face_occlusion.releases.fetch.Limits", partial(Limits, members=0))
    with none, pytest.raises(ValueError, match="at most 0 are unpacked"):
        fetch("hands_11k", raw, archives)
    lock.write_text("<<<<<<< HEAD")
    refuses(r"sources\.lock: not a lock of releases", fetch, "hands_11k", raw, archives)
    raw.mkdir()
    (raw / "mine").write_text("mine")
    refuses("exists and is not an empty folder", fetch, "hands_11k", raw, archives)
    assert (raw / "mine").read_text() == "mine"


def test_the_first_checksum_seen_is_demanded_ever_since(tmp_path, archives):
    fetch("hands_11k", tmp_path / "raw", archives)
    lock = (tmp_path / "sources.lock").read_bytes()
    write_zip(archives / "Hands.zip", {"Hands/Hand_1.jpg": b"another"})
    message = r"Hands\.zip: its sha256 must be .*first seen .*sources\.lock.*accept_changed: true"
    refuses(message, fetch, "hands_11k", tmp_path / "again", archives)
    assert not (tmp_path / "again").exists()
    assert fetch("hands_11k", tmp_path / "again", archives, ACCEPTED).read("Hands/Hands/Hand_1.jpg")
    assert (tmp_path / "sources.lock").read_bytes() == lock


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
    refuses(message, fetch, "realocc", tmp_path / "raw", archives)
    assert not (tmp_path / "raw").exists()
    release = fetch("realocc", tmp_path / "raw", archives, ACCEPTED)
    assert release.info["files"][0]["as_published"] is False
    assert not (tmp_path / "sources.lock").exists()


def test_published_names_match_in_any_case():
    name = "CelebAMask-HQ-WO-train.txt"
    assert match_published(name, [name, name.upper()]) == name
    assert match_published(name, ["CelebAMask_HQ_WO_Train.txt"]) == "CelebAMask_HQ_WO_Train.txt"
    assert match_published(name, ["other.txt"]) is None
    refuses("several files could be this one", match_published, name, [name.upper(), name.lower()])


def test_every_source_states_its_terms_and_the_docs_agree():
    rows = (ROOT / "docs" / "data.md").read_text().splitlines()
    for name, source in SOURCES.items():
        assert source.licence and source.citation and source.terms_url.startswith("http")
        (told,) = [row for row in rows if row.startswith(f"| `{name}` |")]
        assert told.endswith(f"| {source.licence} |")


def test_a_release_says_what_a_set_made_from_it_says(tmp_path):
    release = make_release(tmp_path, "dtd", {"a.txt": b"1"})
    assert release.provenance()["releases"]["dtd"]["licence"] == "not recorded"
    record = {"source": "dtd", "origin": "miniature", "licence": DRAWN_LICENCE, "files": []}
    (tmp_path / "release.json").write_text(json.dumps(record))
    said = Release(tmp_path).provenance()
    about = said["releases"]["dtd"]
    assert said["sources"] == ["dtd"]
    assert (about["licence"], about["origin"]) == (DRAWN_LICENCE, "miniature")
