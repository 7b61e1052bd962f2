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
    """Return a function that runs a stage with arguments in the folder."""
    monkeypatch.chdir(folder)
    write_params(Path("params.yaml"), params)

    def run(stage, *args):
        monkeypatch.setattr(sys, "argv", [stage.__name__, *args])
        stage.main()

    return run


@pytest.fixture
def draw(run):
    """Return a function that draws a release, unless another test has."""

    def draw(source):
        out = f"data/raw/{source}"
        if not Path(out).exists():
            run(download, source, out)
        return out

    return draw


def test_faces_from_archives(run, draw):
    raw = draw("celebamask_hq")
    run(corrections, raw, "data/corrections")
    run(faces, raw, "data/corrections", "data/faces")
    run(benchmarks, "wo_test", raw, "annotations/landmarks", "data/wo_test")

    sets = {name: ImageSet(Path("data/faces") / name) for name in ("wo", "wo_test", "o")}
    assert [len(image_set) for image_set in sets.values()] == [3, 2, 2]
    assert len(ImageSet(Path("data/wo_test"))) == 2
    checked = "checked: 1 identities of WO test, none in WO train"  # and the lists are disjoint
    assert sets["wo"].info["identity_check"] == checked
    assert sets["wo"].info["corrections"] == "annotations/corrections"
    report = json.loads(Path("data/corrections/changes.json").read_text())
    assert {row["key"]: row["corrected_by"] for row in report["faces"]}["00004"] == "labelme"
    (corrected,) = (image_set for image_set in sets.values() if "00004" in image_set)
    assert corrected.record("00004")["corrected_by"] == "labelme"
    assert corrected.seg_map("00004")[:16].max() == 0

    card = Path("data/faces/wo/README.md").read_text()
    assert "Licence: Apache-2.0 (drawn by this project)." in card
    assert "| CelebAMask-HQ.zip |" in card
    assert sets["wo"].record("00000")["identity"]


@pytest.mark.parametrize(("kind", "source"), [("hands", "hands_11k"), ("textures", "dtd")])
def test_occluders_from_archives(run, draw, kind, source):
    run(occluders, kind, draw(source), f"data/occluders/{kind}")
    assert len(ImageSet(Path("data/occluders") / kind)) == 3


def test_objects_from_archives(run, draw):
    run(occluders, "objects", draw("coco"), "data/cutouts/objects")
    run(superresolution, "data/cutouts/objects", "data/occluders/objects")
    small, large = (ImageSet(Path(f"data/{name}/objects")) for name in ("cutouts", "occluders"))
    assert small.keys == large.keys
    height, width = small.cutout(small.keys[0]).shape[:2]
    assert large.cutout(small.keys[0]).shape[:2] == (4 * height, 4 * width)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("realocc", "realocc"),
        ("realocc_wild", "realocc_wild"),
        ("cofw", "cofw"),
        ("cofw_aligned", "cofw"),
    ],
)
def test_benchmarks_from_archives(run, draw, name, source):
    run(benchmarks, name, draw(source), "annotations/landmarks", f"data/benchmarks/{name}")
    bench = ImageSet(Path("data/benchmarks") / name)
    assert len(bench) == 3
    assert bench.seg_map(bench.keys[0]).shape == bench.image(bench.keys[0]).shape[:2]
    assert bench.info.get("by_hand") == (["0002"] if name == "cofw_aligned" else None)


def from_folders(params, **changed):
    """Write parameters by which every release comes from a folder."""
    for source in params["sources"].values():
        source |= {"origin": "folder", **changed}
    write_params(Path("params.yaml"), params)


def test_a_missing_archive_names_file_and_folder(run, params):
    from_folders(params)
    with pytest.raises(ValueError, match=r"(?s)download\.archives_dir: source 'dtd' n.*dtd-r1"):
        run(download, "dtd", "data/missing/dtd")
    assert not Path("data/missing/dtd").exists()


def test_a_sample_of_the_releases_is_read_like_them_and_is_the_same_again(run, draw, params):
    sources = ("celebamask_hq", "hands_11k", "coco", "dtd", "realocc", "realocc_wild")
    for source in sources:
        draw(source)
    counts = {"num_faces": 2, "num_others": 1, "seed": 4}
    taken = sample_releases(Path("data/raw"), Path("archives"), **counts)
    assert taken == dict.fromkeys(sources, 1) | {"celebamask_hq": 4}
    sample_releases(Path("data/raw"), Path("again"), **counts)
    assert files_of(Path("archives")) == files_of(Path("again"))

    from_folders(params, accept_changed=True)
    for source in sources:
        run(download, source, f"data/small/{source}")
    run(corrections, "data/small/celebamask_hq", "data/small/corrections")
    run(faces, "data/small/celebamask_hq", "data/small/corrections", "data/small/faces")
    run(occluders, "hands", "data/small/hands_11k", "data/small/hands")
    out = "data/small/bench"
    run(benchmarks, "realocc", "data/small/realocc", "annotations/landmarks", out)
    made = ("faces/wo", "faces/wo_test", "faces/o", "hands", "bench")
    assert [len(ImageSet(Path("data/small") / name)) for name in made] == [2, 1, 1, 1, 1]
    coco = Release(Path("data/small/coco"))
    dataset = json.loads(coco.read(coco.find("*instances_train*.json")))
    (image,), (photograph,) = dataset["images"], coco.glob("train2017/*.jpg")
    assert photograph.endswith(image["file_name"])
    assert {one["image_id"] for one in dataset["annotations"]} == {image["id"]}
