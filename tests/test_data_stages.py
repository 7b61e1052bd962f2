"""The stages from archives to image sets, each run once on a tiny miniature."""

import json
import os
from pathlib import Path

import pytest

from face_occlusion.apps.sampling import sample_releases
from face_occlusion.core.imageset import ImageSet
from face_occlusion.core.release import Release
from tests.conftest import files_of
from tests.faces.drawn import box, labelme, put, shape
from tests.tiny import SAMPLE, SETS, run_stage, tiny_params, write_params


@pytest.fixture(scope="module", autouse=True)
def params(tmp_path_factory):
    """Make every image set once, in the current folder of all tests here."""
    params, folder = tiny_params(), tmp_path_factory.mktemp("project")
    params["superresolution"]["max_side_px"] = 1000
    params["benchmarks"]["cofw_aligned"]["by_hand"] = "eyes.json"
    write_params(folder / "params.yaml", params)
    correction = labelme(shape("hand", box(0, 0, 64, 32)), name="4.jpg", size=(64, 64))
    points = json.dumps({"0002": [[20, 30], [44, 30], [24, 50], [40, 50]]})
    files = {"corrections/labelme/4.json": correction, "landmarks/eyes.json": points}
    put(folder / "annotations", files)
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})  # no workers, which would import the project again
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            for name in SETS:
                run_stage(name)
            yield params
    finally:
        os.sched_setaffinity(0, cores)


def test_faces_from_archives():
    sets = {name: ImageSet(Path("data/faces") / name) for name in ("wo", "wo_test", "o")}
    assert [len(image_set) for image_set in sets.values()] == [3, 2, 2]
    checked = "checked: 1 identities of WO test, none in WO train"  # and the lists are disjoint
    assert sets["wo"].info["identity_check"] == checked
    assert sets["wo"].info["corrections"] == "annotations/corrections"
    report = json.loads(Path("data/corrections/changes.json").read_text())
    assert {row["key"]: row["corrected_by"] for row in report["faces"]}["00004"] == "labelme"
    (corrected,) = (image_set for image_set in sets.values() if "00004" in image_set)
    assert corrected.record("00004")["corrected_by"] == "labelme"
    assert corrected.seg_map("00004")[:16].max() == 0
    card = (sets["wo"].folder / "README.md").read_text()
    assert "Licence: Apache-2.0 (drawn by this project)." in card
    assert "| CelebAMask-HQ.zip |" in card and sets["wo"].record("00000")["identity"]


def test_occluders_from_archives():
    for kind in ("hands", "textures"):
        assert len(ImageSet(Path("data/occluders") / kind)) == 3
    small, large = (ImageSet(Path(f"data/{name}/objects")) for name in ("cutouts", "occluders"))
    assert small.keys == large.keys
    height, width = small.cutout(small.keys[0]).shape[:2]
    assert large.cutout(small.keys[0]).shape[:2] == (4 * height, 4 * width)


def test_benchmarks_from_archives():
    counts = {"wo_test": 2} | dict.fromkeys(("realocc", "realocc_wild", "cofw", "cofw_aligned"), 3)
    for name, count in counts.items():
        bench = ImageSet(Path("data/benchmarks") / name)
        assert len(bench) == count
        assert bench.seg_map(bench.keys[0]).shape == bench.image(bench.keys[0]).shape[:2]
    assert bench.info["by_hand"] == ["0002"]


def test_a_sample_of_the_releases_is_read_like_them_and_is_the_same_again(params):
    sources = ("celebamask_hq", "hands_11k", "coco", "dtd", "realocc", "realocc_wild")
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
        run_stage("download", source, f"{small}/{source}")
    for name, words in SAMPLE.items():
        run_stage(name, *words.split())
    made = ("faces/wo", "faces/wo_test", "faces/o", "hands", "bench")
    assert [len(ImageSet(small / name)) for name in made] == [2, 1, 1, 1, 1]
    release = Release(small / "coco")
    dataset = json.loads(release.read(release.find("*instances_train*.json")))
    (image,), (photograph,) = dataset["images"], release.glob("train2017/*.jpg")
    assert photograph.endswith(image["file_name"])
    assert {one["image_id"] for one in dataset["annotations"]} == {image["id"]}
    next(Path("archives").glob("dtd*")).unlink()
    with pytest.raises(ValueError, match=r"(?s)download\.archives_dir: source 'dtd' n.*dtd-r1"):
        run_stage("download", "dtd", "data/missing/dtd")
    assert not Path("data/missing/dtd").exists()
