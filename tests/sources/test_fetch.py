import hashlib
import json

import py7zr
import pytest

from face_occlusion.sources import Release
from face_occlusion.sources.archives import Limits
from face_occlusion.sources.fetch import SourceParams, fetch_release
from face_occlusion.sources.table import SOURCES, find_source, match_published
from tests.sources.build import write_tar, write_zip

FOLDER = SourceParams(origin="folder", files=None, why=None)


def no_miniature(source, folder):
    raise AssertionError("the miniature was not asked for")


def fetch(name, folder, archives_dir, params=FOLDER, draw=no_miniature, limits=None):
    return fetch_release(
        name, folder, params, archives_dir=archives_dir, draw_miniature=draw, limits=limits
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
    assert "11k-hands_masks.7z, published at https://drive.google.com" in message
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
    with pytest.raises(ValueError, match=r"coco_object\.7z, published at"):
        params = SourceParams(origin="folder", files=["coco_object.7z"], why=None)
        fetch("coco", tmp_path / "raw", archives, params)
    params = SourceParams(origin="folder", files=["train2017.zip"], why=None)
    assert fetch("coco", tmp_path / "raw", archives, params).names() == [
        "train2017/train2017/1.jpg"
    ]
    with pytest.raises(
        ValueError, match=r"files: 'val2017\.zip' is no file of source 'coco'; known"
    ):
        params = SourceParams(origin="folder", files=["val2017.zip"], why=None)
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
    params = SourceParams(origin="absent", files=None, why="not public")
    release = fetch("cofw", tmp_path / "raw", tmp_path / "nowhere", params)
    assert release.absent == "not public"


def test_the_miniature_goes_the_same_way(tmp_path):
    params = SourceParams(origin="miniature", files=None, why=None)
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


def test_a_known_checksum_is_compared(tmp_path):
    archives = tmp_path / "archives"
    archives.mkdir()
    with py7zr.SevenZipFile(archives / "RealOcc.7z", "w") as archive:
        archive.writestr(b"x", "RealOcc/image/x.jpg")
    release = fetch("realocc", tmp_path / "raw", archives)
    assert release.info["files"][0]["as_published"] is False


def test_tar_archives_are_unpacked_under_their_name(tmp_path):
    archives = tmp_path / "archives"
    archives.mkdir()
    write_tar(archives / "dtd-r1.0.1.tar.gz", {"dtd/images/banded/b_1.jpg": b"x"})
    release = fetch("dtd", tmp_path / "raw", archives)
    assert release.names() == ["dtd-r1.0.1/dtd/images/banded/b_1.jpg"]


def test_small_comes_in(tmp_path, small):
    counts = {"celebamask_hq": 12569, "hands_11k": 402, "dtd": 250, "realocc": 51}
    for name, count in counts.items():
        assert len(fetch(name, tmp_path / name, small).names()) == count
    assert isinstance(Release(tmp_path / "dtd"), Release)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"origin": "web"}, "^origin: must be one of folder, miniature, absent; got 'web'"),
        ({"origin": "absent"}, "^why: must say why"),
        ({"files": []}, "^files: must be a list"),
        ({"files": "a.zip"}, "^files: must be a list"),
    ],
)
def test_parameters_are_checked(values, message):
    with pytest.raises(ValueError, match=message):
        SourceParams(**{"origin": "folder", "files": None, "why": None, **values})


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
