"""The stages from archives to image sets, each run once on a tiny miniature."""

import json
import sys
from pathlib import Path

import pytest

from face_occlusion.apps.sampling import sample_releases
from face_occlusion.core.imageset import ImageSet
from face_occlusion.core.release import Release
from stages import benchmarks, corrections, download, faces, occluders, superresolution
from tests.conftest import files_of
from tests.faces.drawn import box, labelme, put, shape
from tests.tiny import tiny_params, write_params


@pytest.fixture
def params():
    params = tiny_params()
    params["superresolution"]["max_side_px"] = 1000
    params["benchmarks"]["cofw_aligned"]["by_hand"] = "eyes.json"
    return params


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder for all tests: each release is drawn once."""
    folder = tmp_path_factory.mktemp("project")
    correction = labelme(shape("hand", box(0, 0, 64, 32)), name="4.jpg", size=(64, 64))
    points = json.dumps({"0002": [[20, 30], [44, 30], [24, 50], [40, 50]]})
    files = {"corrections/labelme/4.json": correction, "landmarks/eyes.json": points}
    put(folder / "annotations", files)
    return folder


@pytest.fixture
def run(folder, params, monkeypatch):
    """Return a function that runs a stage in the folder, on a release unless that is there."""
    monkeypatch.chdir(folder)
    write_params(Path("params.yaml"), params)

    def run(stage, *args):
        monkeypatch.setattr(sys, "argv", [stage.__name__, *args])
        if stage is not download or not Path(args[-1]).exists():
            stage.main()
        return Path(args[-1])

    return run


def draw(run, source):
    return str(run(download, source, f"data/raw/{source}"))


def test_faces_from_archives(run):
    raw = draw(run, "celebamask_hq")
    run(corrections, raw, "data/corrections")
    made = run(faces, raw, "data/corrections", "data/faces")
    assert len(ImageSet(run(benchmarks, "wo_test", raw, "annotations/landmarks", "data/wo"))) == 2
    sets = {name: ImageSet(made / name) for name in ("wo", "wo_test", "o")}
    assert [len(image_set) for image_set in sets.values()] == [3, 2, 2]
    checked = "checked: 1 identities of WO test, none in WO train"  # and the lists are disjoint
    assert sets["wo"].info["identity_check"] == checked
    assert sets["wo"].info["corrections"] == "annotations/corrections"
    report = json.loads(Path("data/corrections/changes.json").read_text())
    assert {row["key"]: row["corrected_by"] for row in report["faces"]}["00004"] == "labelme"
    (corrected,) = (image_set for image_set in sets.values() if "00004" in image_set)
    assert corrected.record("00004")["corrected_by"] == "labelme"
    assert corrected.seg_map("00004")[:16].max() == 0
    card = (made / "wo" / "README.md").read_text()
    assert "Licence: Apache-2.0 (drawn by this project)." in card
    assert "| CelebAMask-HQ.zip |" in card and sets["wo"].record("00000")["identity"]


def test_occluders_from_archives(run):
    for kind, source in (("hands", "hands_11k"), ("textures", "dtd")):
        made = run(occluders, kind, draw(run, source), f"data/occluders/{kind}")
        assert len(ImageSet(made)) == 3
    small = ImageSet(run(occluders, "objects", draw(run, "coco"), "data/cutouts/objects"))
    large = ImageSet(run(superresolution, "data/cutouts/objects", "data/occluders/objects"))
    assert small.keys == large.keys
    height, width = small.cutout(small.keys[0]).shape[:2]
    assert large.cutout(small.keys[0]).shape[:2] == (4 * height, 4 * width)


def test_benchmarks_from_archives(run):
    for name in ("realocc", "realocc_wild", "cofw", "cofw_aligned"):
        raw = draw(run, name.removesuffix("_aligned"))
        bench = ImageSet(run(benchmarks, name, raw, "annotations/landmarks", f"data/bench/{name}"))
        assert len(bench) == 3
        assert bench.seg_map(bench.keys[0]).shape == bench.image(bench.keys[0]).shape[:2]
    assert bench.info["by_hand"] == ["0002"]


def test_a_sample_of_the_releases_is_read_like_them_and_is_the_same_again(run, params):
    sources = ("celebamask_hq", "hands_11k", "coco", "dtd", "realocc", "realocc_wild")
    for source in sources:
        draw(run, source)
    counts = {"num_faces": 2, "num_others": 1, "seed": 4}
    taken = sample_releases(Path("data/raw"), Path("archives"), **counts)
    assert taken == dict.fromkeys(sources, 1) | {"celebamask_hq": 4}
    sample_releases(Path("data/raw"), Path("again"), **counts)
    assert files_of(Path("archives")) == files_of(Path("again"))

    for source in params["sources"].values():
        source |= {"origin": "folder", "accept_changed": True}
    write_params(Path("params.yaml"), params)
    small = Path("data/small")
    for source in sources:
        run(download, source, f"{small}/{source}")
    celeba = f"{small}/celebamask_hq"
    run(corrections, celeba, f"{small}/corrections")
    run(faces, celeba, f"{small}/corrections", f"{small}/faces")
    run(occluders, "hands", f"{small}/hands_11k", f"{small}/hands")
    run(benchmarks, "realocc", f"{small}/realocc", "annotations/landmarks", f"{small}/bench")
    made = ("faces/wo", "faces/wo_test", "faces/o", "hands", "bench")
    assert [len(ImageSet(small / name)) for name in made] == [2, 1, 1, 1, 1]
    release = Release(small / "coco")
    dataset = json.loads(release.read(release.find("*instances_train*.json")))
    (image,), (photograph,) = dataset["images"], release.glob("train2017/*.jpg")
    assert photograph.endswith(image["file_name"])
    assert {one["image_id"] for one in dataset["annotations"]} == {image["id"]}
    next(Path("archives").glob("dtd*")).unlink()
    with pytest.raises(ValueError, match=r"(?s)download\.archives_dir: source 'dtd' n.*dtd-r1"):
        run(download, "dtd", "data/missing/dtd")
    assert not Path("data/missing/dtd").exists()
