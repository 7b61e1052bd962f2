"""The stages from archives to image sets, each run once on a tiny miniature."""

import json
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from face_occlusion.apps.profiles import compose
from face_occlusion.apps.sampling import sample_releases
from face_occlusion.core.imageset import ImageSet
from face_occlusion.core.release import Release
from stages import benchmarks, corrections, download, faces, occluders, superresolution
from tests.conftest import ROOT
from tests.faces.drawn import box, labelme, put, shape

TINY = {
    "num_wo_train": 3,
    "num_wo_test": 2,
    "num_o": 2,
    "num_hands": 3,
    "num_objects": 8,
    "num_textures": 3,
    "num_benchmark": 3,
    "face_px": 64,
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    yaml = YAML()
    params = yaml.load(compose(ROOT / "profiles", "miniature"))
    params["download"]["miniature"].update(TINY)
    params["faces"]["size_px"] = 32
    params["occluders"]["objects"]["num_objects"] = 2
    params["occluders"]["objects"]["selection"].update(min_area_px=20, min_side_px=4)
    params["superresolution"]["max_side_px"] = 1000
    params["benchmarks"]["cofw_aligned"]["by_hand"] = "eyes.json"
    with (tmp_path / "params.yaml").open("w") as file:
        yaml.dump(params, file)
    (tmp_path / "annotations" / "corrections").mkdir(parents=True)
    points = json.dumps({"0002": [[20, 30], [44, 30], [24, 50], [40, 50]]})
    put(tmp_path / "annotations" / "landmarks", {"eyes.json": points})
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(monkeypatch):
    """Return a function that runs a stage with arguments."""

    def run(stage, *args):
        monkeypatch.setattr(sys, "argv", [stage.__name__, *args])
        stage.main()

    return run


def test_faces_from_archives(project, run):
    correction = labelme(shape("hand", box(0, 0, 64, 32)), name="4.jpg", size=(64, 64))
    put(project / "annotations" / "corrections", {"labelme/4.json": correction})
    run(download, "celebamask_hq", "data/raw/celebamask_hq")
    run(corrections, "data/raw/celebamask_hq", "data/corrections")
    run(faces, "data/raw/celebamask_hq", "data/corrections", "data/faces")
    run(benchmarks, "wo_test", "data/raw/celebamask_hq", "annotations/landmarks", "data/wo_test")

    sets = {name: ImageSet(project / "data/faces" / name) for name in ("wo", "wo_test", "o")}
    assert [len(image_set) for image_set in sets.values()] == [3, 2, 2]
    assert len(ImageSet(project / "data/wo_test")) == 2
    checked = "checked: 1 identities of WO test, none in WO train"  # and the lists are disjoint
    assert sets["wo"].info["identity_check"] == checked
    assert sets["wo"].info["corrections"] == "annotations/corrections"
    report = json.loads((project / "data/corrections/changes.json").read_text())
    assert {row["key"]: row["corrected_by"] for row in report["faces"]}["00004"] == "labelme"
    (corrected,) = (image_set for image_set in sets.values() if "00004" in image_set)
    assert corrected.record("00004")["corrected_by"] == "labelme"
    assert corrected.seg_map("00004")[:16].max() == 0

    card = (project / "data" / "faces" / "wo" / "README.md").read_text()
    assert "Licence: Apache-2.0 (drawn by this project)." in card
    assert "| CelebAMask-HQ.zip |" in card
    assert sets["wo"].record("00000")["identity"]


@pytest.mark.parametrize(
    ("kind", "source", "count"), [("hands", "hands_11k", 3), ("textures", "dtd", 3)]
)
def test_occluders_from_archives(project, run, kind, source, count):
    run(download, source, f"data/raw/{source}")
    run(occluders, kind, f"data/raw/{source}", f"data/occluders/{kind}")
    assert len(ImageSet(project / "data/occluders" / kind)) == count


def test_objects_from_archives(project, run):
    run(download, "coco", "data/raw/coco")
    run(occluders, "objects", "data/raw/coco", "data/cutouts/objects")
    run(superresolution, "data/cutouts/objects", "data/occluders/objects")
    small, large = (ImageSet(project / f"data/{name}/objects") for name in ("cutouts", "occluders"))
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
def test_benchmarks_from_archives(project, run, name, source):
    run(download, source, f"data/raw/{source}")
    run(benchmarks, name, f"data/raw/{source}", "annotations/landmarks", f"data/benchmarks/{name}")
    bench = ImageSet(project / "data/benchmarks" / name)
    assert len(bench) == 3
    assert bench.seg_map(bench.keys[0]).shape == bench.image(bench.keys[0]).shape[:2]
    assert bench.info.get("by_hand") == (["0002"] if name == "cofw_aligned" else None)


def test_a_missing_archive_names_file_and_folder(project, run):
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(text.replace("origin: miniature", "origin: folder"))
    with pytest.raises(ValueError, match=r"(?s)download\.archives_dir: source 'dtd' n.*dtd-r1"):
        run(download, "dtd", "data/raw/dtd")
    assert not list((project / "data").rglob("*dtd*"))


def test_a_sample_of_the_releases_is_read_like_them_and_is_the_same_again(project, run):
    sources = ("celebamask_hq", "hands_11k", "coco", "dtd", "realocc")
    for source in sources:
        run(download, source, f"data/raw/{source}")
    counts = {"num_faces": 2, "num_others": 1, "seed": 4}
    taken = sample_releases(Path("data/raw"), Path("archives"), **counts)
    assert taken == {"celebamask_hq": 4, "coco": 1, "dtd": 1, "hands_11k": 1, "realocc": 1}
    sample_releases(Path("data/raw"), Path("again"), **counts)
    for path in sorted(Path("archives").iterdir()):
        assert path.read_bytes() == (Path("again") / path.name).read_bytes(), path

    text = Path("params.yaml").read_text().replace("accept_changed: false", "accept_changed: true")
    Path("params.yaml").write_text(text.replace("origin: miniature", "origin: folder"))
    for source in sources:
        run(download, source, f"data/small/{source}")
    run(corrections, "data/small/celebamask_hq", "data/corrections")
    run(faces, "data/small/celebamask_hq", "data/corrections", "data/faces")
    run(occluders, "hands", "data/small/hands_11k", "data/occluders/hands")
    out = "data/benchmarks/realocc"
    run(benchmarks, "realocc", "data/small/realocc", "annotations/landmarks", out)
    made = ("faces/wo", "faces/wo_test", "faces/o", "occluders/hands", "benchmarks/realocc")
    assert [len(ImageSet(Path("data") / name)) for name in made] == [2, 1, 1, 1, 1]
    coco = Release(Path("data/small/coco"))
    dataset = json.loads(coco.read(coco.find("*instances_train*.json")))
    (image,), (photograph,) = dataset["images"], coco.glob("train2017/*.jpg")
    assert photograph.endswith(image["file_name"])
    assert {one["image_id"] for one in dataset["annotations"]} == {image["id"]}
