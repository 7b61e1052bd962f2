import hashlib
import json
import subprocess
import sys
import time
from dataclasses import replace

import py7zr
import pytest

from face_occlusion.core.release import Release
from face_occlusion.releases.fetch import ArchiveDir, SourceParams, fetch_release
from face_occlusion.releases.limits import Limits
from face_occlusion.releases.table import SOURCES, find_source, match_published
from face_occlusion.releases.transfer import RetryPolicy
from tests.conftest import ROOT
from tests.releases.build import write_tar, write_zip

FOLDER = SourceParams(origin="folder", files=None, accept_changed=False, why=None)
QUICK = RetryPolicy(attempts=2, timeout_s=2)


def no_miniature(source, folder):
    raise AssertionError("the miniature was not asked for")


def fetch(name, folder, archives_dir, params=FOLDER, draw=no_miniature, limits=None):
    archives = ArchiveDir(
        archives_dir=archives_dir,
        lock=folder.parent / "sources.lock",
        retry=QUICK,
        parallel=2,
        profile={name: params},
    )
    return fetch_release(
        name, folder, params, archives=archives, draw_miniature=draw, limits=limits
    )


def fill_hands(folder):
    folder.mkdir(exist_ok=True)
    write_zip(folder / "Hands.zip", {"Hands/Hand_1.jpg": b"jpeg"})
    with py7zr.SevenZipFile(folder / "11k-hands_masks.7z", "w") as archive:
        archive.writestr(b"png", "11k-hands_masks/Hand_1.png")
    (folder / "11k-hands_sample.txt").write_text("Hand_1.jpg\n")
    return folder


@pytest.fixture
def archives(tmp_path):
    return fill_hands(tmp_path / "archives")


def test_a_release_is_laid_out_and_recorded(tmp_path, archives):
    release = fetch("hands_11k", tmp_path / "raw", archives)
    assert release.names() == [
        "11k-hands_masks/11k-hands_masks/Hand_1.png",
        "11k-hands_sample.txt",
        "Hands/Hands/Hand_1.jpg",
    ]
    record = json.loads((tmp_path / "raw" / "release.json").read_text())
    assert record["origin"] == "folder"
    assert record["licence"] == SOURCES["hands_11k"].licence
    zipped = (archives / "Hands.zip").read_bytes()
    assert record["files"][0] == {
        "name": "Hands.zip",
        "sha256": hashlib.sha256(zipped).hexdigest(),
        "size": len(zipped),
    }
    assert (tmp_path / "raw" / "Hands.zip").stat().st_nlink == 1  # never linked to the user's own


def test_two_fetches_give_the_same_bytes(tmp_path, archives):
    for name in ("one", "two"):
        fetch("hands_11k", tmp_path / name, archives)
    one, two = (
        {
            p.relative_to(tmp_path / n): p.read_bytes()
            for p in (tmp_path / n).rglob("*")
            if p.is_file()
        }
        for n in ("one", "two")
    )
    assert one == two


def test_a_missing_archive_says_which_where_and_whence(tmp_path, archives):
    (archives / "11k-hands_masks.7z").unlink()
    (archives / "11k-hands_sample.txt").unlink()
    with pytest.raises(ValueError) as error:
        fetch("hands_11k", tmp_path / "raw", archives)
    message = str(error.value)
    assert message.startswith("download.archives_dir: source 'hands_11k' needs files")
    assert str(archives) in message
    assert "11k-hands_masks.7z (hands_11k)\n    from https://drive.google.com" in message
    assert "11k-hands_sample.txt" in message
    assert "HandInfo.csv" not in message  # not needed
    assert not (tmp_path / "raw").exists()


def test_a_missing_folder_is_said(tmp_path):
    with pytest.raises(ValueError, match="no such folder"):
        fetch("dtd", tmp_path / "raw", tmp_path / "nowhere")


def test_files_chooses_among_a_source(tmp_path):
    archives = tmp_path / "archives"
    archives.mkdir()
    write_zip(archives / "train2017.zip", {"train2017/1.jpg": b"x"})
    with pytest.raises(ValueError, match=r"coco_object\.7z \(coco\)\n    from "):
        params = replace(FOLDER, files=["coco_object.7z"])
        fetch("coco", tmp_path / "raw", archives, params)
    params = replace(FOLDER, files=["train2017.zip"], accept_changed=True)
    assert fetch("coco", tmp_path / "raw", archives, params).names() == [
        "train2017/train2017/1.jpg"
    ]
    with pytest.raises(
        ValueError, match=r"files: 'val2017\.zip' is no file of source 'coco'; known"
    ):
        params = replace(FOLDER, files=["val2017.zip"])
        fetch("coco", tmp_path / "other", archives, params)


def test_a_source_of_choices_needs_one_of_them(tmp_path):
    (tmp_path / "archives").mkdir()
    with pytest.raises(ValueError, match=r"expected some of coco_object\.7z, train2017\.zip"):
        fetch("coco", tmp_path / "raw", tmp_path / "archives")


@pytest.mark.parametrize("keep", [0, 30])
@pytest.mark.parametrize("name", ["Hands.zip", "11k-hands_masks.7z"])
def test_a_broken_archive_leaves_nothing(tmp_path, archives, name, keep):
    data = (archives / name).read_bytes()
    (archives / name).write_bytes(data[:keep])
    with pytest.raises(ValueError, match=name):
        fetch("hands_11k", tmp_path / "raw", archives)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archives"]


UNPACK_SLOWLY = """
import sys, time, tarfile
from pathlib import Path
from face_occlusion.releases import archives
from tests.releases.test_fetch import FOLDER, fetch
from dataclasses import replace
extract = tarfile.TarFile.extract
def slowly(*args, **options):
    time.sleep(0.02)
    extract(*args, **options)
tarfile.TarFile.extract = slowly
here = Path(sys.argv[1])
fetch("dtd", here / "raw", here / "archives", replace(FOLDER, accept_changed=True))
"""


def test_an_unpacking_that_was_killed_starts_over(tmp_path):
    members = {f"dtd/images/{number:03d}.jpg": bytes([number]) * 999 for number in range(200)}
    (tmp_path / "archives").mkdir()
    write_tar(tmp_path / "archives" / "dtd-r1.0.1.tar.gz", members)
    process = subprocess.Popen([sys.executable, "-c", UNPACK_SLOWLY, tmp_path], cwd=ROOT)
    images = tmp_path / "raw.partial" / "dtd-r1.0.1" / "dtd" / "images"
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if images.is_dir() and len(list(images.iterdir())) >= 5:
            break
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert 5 <= len(list(images.iterdir())) < len(members)
    assert not (tmp_path / "raw").exists()
    (images / "stale.jpg").write_bytes(b"of the killed run")
    accepted = replace(FOLDER, accept_changed=True)
    release = fetch("dtd", tmp_path / "raw", tmp_path / "archives", accepted)
    assert release.names() == sorted(f"dtd-r1.0.1/{name}" for name in members)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archives", "raw"]


HOSTILE = {
    "path outside": ({"../evil": b"x"}, "outside the folder"),
    "absolute path": ({"/tmp/evil-from-a-zip": b"x"}, "outside the folder"),
    "bomb": ({"zeros": bytes(100 << 20)}, "times its size"),
    "names that meet": ({"a.jpg": b"x", "A.jpg": b"y"}, r"'A\.jpg' collides with 'a\.jpg'"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_zips_that_stay_zipped_are_checked_as_well(tmp_path, archives, kind):
    members, message = HOSTILE[kind]
    write_zip(archives / "Hands.zip", members)
    with pytest.raises(ValueError, match=rf"Hands\.zip: .*{message}"):
        fetch("hands_11k", tmp_path / "raw", archives)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archives"]


def test_leftovers_of_a_killed_run_are_cleared(tmp_path, archives):
    (tmp_path / "raw.partial").mkdir()
    (tmp_path / "raw.partial" / "half.zip").write_text("half")
    release = fetch("hands_11k", tmp_path / "raw", archives)
    assert "half" not in " ".join(release.names())
    assert not (tmp_path / "raw.partial").exists()


def test_a_folder_in_use_is_left_alone(tmp_path, archives):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "mine").write_text("mine")
    with pytest.raises(ValueError, match="exists and is not an empty folder"):
        fetch("hands_11k", tmp_path / "raw", archives)
    assert (tmp_path / "raw" / "mine").read_text() == "mine"


def test_absent_needs_no_archive(tmp_path):
    params = replace(FOLDER, origin="absent", files=None, why="not public")
    release = fetch("cofw", tmp_path / "raw", tmp_path / "nowhere", params)
    assert release.absent == "not public"


def test_the_miniature_goes_the_same_way(tmp_path):
    params = replace(FOLDER, origin="miniature", files=None, why=None)
    release = fetch(
        "hands_11k",
        tmp_path / "raw",
        tmp_path,
        params,
        draw=lambda name, folder: fill_hands(folder),
    )
    assert release.read("Hands/Hands/Hand_1.jpg") == b"jpeg"
    assert release.info["origin"] == "miniature"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["raw"]


def test_limits_are_passed_on(tmp_path, archives):
    with pytest.raises(ValueError, match="at most 0 are unpacked"):
        fetch("hands_11k", tmp_path / "raw", archives, limits=Limits(members=0))


def fill_realocc(folder):
    folder.mkdir()
    with py7zr.SevenZipFile(folder / "RealOcc.7z", "w") as archive:
        archive.writestr(b"x", "RealOcc/image/x.jpg")
    return folder


def test_another_checksum_than_the_published_one_is_refused(tmp_path):
    archives = fill_realocc(tmp_path / "archives")
    with pytest.raises(
        ValueError, match=r"RealOcc\.7z: its size is \d+, the one published .*226205702"
    ):
        fetch("realocc", tmp_path / "raw", archives)
    assert not (tmp_path / "raw").exists()


def test_another_checksum_is_taken_where_the_user_says_so(tmp_path):
    archives = fill_realocc(tmp_path / "archives")
    release = fetch("realocc", tmp_path / "raw", archives, replace(FOLDER, accept_changed=True))
    assert release.info["files"][0]["as_published"] is False
    assert not (tmp_path / "sources.lock").exists()


def test_the_first_checksum_seen_is_demanded_ever_since(tmp_path, archives):
    fetch("hands_11k", tmp_path / "raw", archives)
    lock = json.loads((tmp_path / "sources.lock").read_text())
    masks = (archives / "11k-hands_masks.7z").read_bytes()
    assert lock["hands_11k/11k-hands_masks.7z"]["sha256"] == hashlib.sha256(masks).hexdigest()
    assert lock["hands_11k/11k-hands_masks.7z"]["size"] == len(masks)
    assert len(lock) == 3
    write_zip(archives / "Hands.zip", {"Hands/Hand_1.jpg": b"another"})
    message = (
        r"Hands\.zip: its sha256 is .*first seen .*sources\.lock.*hands_11k\.accept_changed: true"
    )
    with pytest.raises(ValueError, match=message):
        fetch("hands_11k", tmp_path / "again", archives)
    assert not (tmp_path / "again").exists()
    accepted = replace(FOLDER, accept_changed=True)
    assert fetch("hands_11k", tmp_path / "again", archives, accepted).read("Hands/Hands/Hand_1.jpg")
    assert json.loads((tmp_path / "sources.lock").read_text()) == lock


def test_what_is_refused_is_not_locked(tmp_path, archives):
    (archives / "11k-hands_masks.7z").write_bytes(b"7z\xbc\xaf\x27\x1c broken")
    with pytest.raises(ValueError, match=r"11k-hands_masks\.7z"):
        fetch("hands_11k", tmp_path / "raw", archives)
    assert not (tmp_path / "sources.lock").exists()


def test_a_web_page_saved_as_an_archive_is_explained(tmp_path, archives):
    (archives / "Hands.zip").write_text("<!DOCTYPE html><html><title>Google Drive - Quota exceeded")
    with pytest.raises(ValueError, match=r"archives/Hands\.zip: Hands\.zip is the quota page"):
        fetch("hands_11k", tmp_path / "raw", archives)


def test_a_damaged_lock_is_named(tmp_path, archives):
    (tmp_path / "sources.lock").write_text("<<<<<<< HEAD")
    with pytest.raises(ValueError, match=r"sources\.lock: not a lock of releases"):
        fetch("hands_11k", tmp_path / "raw", archives)


def test_tar_archives_are_unpacked_under_their_name(tmp_path):
    archives = tmp_path / "archives"
    archives.mkdir()
    write_tar(archives / "dtd-r1.0.1.tar.gz", {"dtd/images/banded/b_1.jpg": b"x"})
    release = fetch("dtd", tmp_path / "raw", archives, replace(FOLDER, accept_changed=True))
    assert release.names() == ["dtd-r1.0.1/dtd/images/banded/b_1.jpg"]


def test_small_comes_in(tmp_path, small):
    counts = {"celebamask_hq": 12569, "hands_11k": 402, "dtd": 250, "realocc": 51}
    for name, count in counts.items():
        stand_in = replace(FOLDER, accept_changed=True)
        assert len(fetch(name, tmp_path / name, small, stand_in).names()) == count
    assert isinstance(Release(tmp_path / "dtd"), Release)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"origin": "web"}, "^origin: must be one of url, folder, miniature, absent; got 'web'"),
        ({"origin": "absent"}, "^why: must say why"),
        ({"files": []}, "^files: must be a list"),
        ({"files": "a.zip"}, "^files: must be a list"),
    ],
)
def test_parameters_are_checked(values, message):
    with pytest.raises(ValueError, match=message):
        replace(FOLDER, **values)


def test_sources_are_found_by_name():
    assert find_source("dtd").files[0].name == "dtd-r1.0.1.tar.gz"
    with pytest.raises(ValueError, match="no source 'imagenet'; known: celebamask_hq"):
        find_source("imagenet")


def test_published_names_match_in_any_case():
    name = "CelebAMask-HQ-WO-train.txt"
    assert match_published(name, [name, name.upper()]) == name
    assert match_published(name, ["CelebAMask_HQ_WO_Train.txt"]) == "CelebAMask_HQ_WO_Train.txt"
    assert match_published(name, ["other.txt"]) is None
    with pytest.raises(ValueError, match="several files could be this one"):
        match_published(name, [name.upper(), name.lower()])
