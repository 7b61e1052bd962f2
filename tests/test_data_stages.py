"""The stages from archives to image sets, each run once on a tiny miniature."""

import sys

import pytest
from ruamel.yaml import YAML

from face_occlusion.apps.profiles import compose
from face_occlusion.core.imageset import ImageSet
from stages import benchmarks, download, faces, occluders
from tests.conftest import ROOT

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
    with (tmp_path / "params.yaml").open("w") as file:
        yaml.dump(params, file)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(monkeypatch, stage, *args):
    monkeypatch.setattr(sys, "argv", [stage.__name__, *args])
    stage.main()


def test_faces_from_archives(project, monkeypatch):
    run(monkeypatch, download, "celebamask_hq", "data/raw/celebamask_hq")
    run(monkeypatch, faces, "data/raw/celebamask_hq", "data/none", "data/faces")
    assert [len(ImageSet(project / "data/faces" / name)) for name in ("wo", "wo_test", "o")] == [
        3,
        2,
        2,
    ]
    assert ImageSet(project / "data/faces/wo").info["identity_check"].startswith("checked")
    run(
        monkeypatch,
        benchmarks,
        "wo_test",
        "data/raw/celebamask_hq",
        "data/none",
        "data/benchmarks/wo_test",
    )
    assert len(ImageSet(project / "data/benchmarks/wo_test")) == 2


@pytest.mark.parametrize(
    ("kind", "source", "count"),
    [("hands", "hands_11k", 3), ("objects", "coco", 2), ("textures", "dtd", 3)],
)
def test_occluders_from_archives(project, monkeypatch, kind, source, count):
    run(monkeypatch, download, source, f"data/raw/{source}")
    run(monkeypatch, occluders, kind, f"data/raw/{source}", f"data/occluders/{kind}")
    assert len(ImageSet(project / "data/occluders" / kind)) == count


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("realocc", "realocc"),
        ("realocc_wild", "realocc_wild"),
        ("cofw", "cofw"),
        ("cofw_aligned", "cofw"),
    ],
)
def test_benchmarks_from_archives(project, monkeypatch, name, source):
    run(monkeypatch, download, source, f"data/raw/{source}")
    run(monkeypatch, benchmarks, name, f"data/raw/{source}", "data/none", f"data/benchmarks/{name}")
    bench = ImageSet(project / "data/benchmarks" / name)
    assert len(bench) == 3
    assert bench.seg_map(bench.keys[0]).shape == bench.image(bench.keys[0]).shape[:2]


def test_a_missing_archive_names_file_and_folder(project, monkeypatch):
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(text.replace("origin: miniature", "origin: folder"))
    with pytest.raises(
        ValueError, match=r"(?s)download\.archives_dir: source 'dtd' needs .*dtd-r1"
    ):
        run(monkeypatch, download, "dtd", "data/raw/dtd")
    assert not list((project / "data").rglob("*dtd*"))


def test_cards_of_drawn_faces_state_our_own_licence_and_the_archives(project, monkeypatch):
    run(monkeypatch, download, "celebamask_hq", "data/raw/celebamask_hq")
    run(monkeypatch, faces, "data/raw/celebamask_hq", "data/none", "data/faces")
    card = (project / "data" / "faces" / "wo" / "README.md").read_text()
    assert "Licence: Apache-2.0 (drawn by this project)." in card
    assert "| CelebAMask-HQ.zip |" in card
    assert ImageSet(project / "data" / "faces" / "wo").record("00000")["identity"]
