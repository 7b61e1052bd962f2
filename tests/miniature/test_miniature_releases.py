"""How it is packed: lists, annotations, and the same bytes in every run.

That each release has the names and formats of the real one is shown by the stages that read it, in
tests/test_data_stages.py.
"""

import dataclasses
import io
import json
import tarfile
import zipfile
from pathlib import Path

import h5py
import numpy as np
import py7zr
import pycocotools.mask
import pytest

from face_occlusion.core.images import decode_image, decode_mask
from face_occlusion.faces.celebamask_hq import original_seg_map
from face_occlusion.miniature import MiniatureParams, draw_release
from face_occlusion.miniature.archives import write_7z, write_tar_gz, write_zip
from face_occlusion.miniature.release_faces import plan_faces
from tests.conftest import files_of

PARAMS = MiniatureParams(
    seed=5,
    num_wo_train=6,
    num_wo_test=8,
    num_o=6,
    num_hands=3,
    num_objects=14,
    num_textures=14,
    num_benchmark=5,
    face_px=64,
)
SOURCES = ("celebamask_hq", "hands_11k", "coco", "dtd", "realocc", "realocc_wild", "cofw")


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("miniature")
    for source in SOURCES:
        draw_release(source, folder / source, PARAMS)
    return folder


def read_zip(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def read_7z(path: Path, folder: Path) -> dict[str, bytes]:
    with py7zr.SevenZipFile(path) as archive:
        archive.extractall(folder)
    return files_of(folder)


@pytest.mark.parametrize("source", ["hands_11k", "realocc", "cofw"])
def test_the_same_bytes_in_every_run(drawn: Path, tmp_path: Path, source: str):
    draw_release(source, tmp_path, PARAMS)
    assert files_of(tmp_path) == files_of(drawn / source)


@pytest.mark.parametrize("write", [write_zip, write_tar_gz, write_7z])
def test_archives_depend_on_their_members_alone(write, tmp_path: Path):
    members = [("a/one.txt", b"1" * 100), ("a/two.jpg", b"22")]
    for name in ("first", "second"):
        write(tmp_path / name, members)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_original_masks_equal_corrected_ones_unless_occluded(drawn: Path, tmp_path: Path):
    folder = drawn / "celebamask_hq"
    members = read_zip(folder / "CelebAMask-HQ.zip")
    corrected = read_7z(folder / "CelebAMask-HQ-masks_corrected.7z", tmp_path)
    differ = []
    for job in plan_faces(PARAMS):
        stem = f"CelebAMask-HQ/CelebAMask-HQ-mask-anno/0/{job.number:05d}_"
        parts = {
            name[len(stem) : -4]: decode_mask(data, name) > 0
            for name, data in members.items()
            if name.startswith(stem)
        }
        right = decode_mask(corrected[f"CelebAMask-HQ-masks_corrected/{job.number}.png"], stem)
        original = original_seg_map(parts)
        assert not ((right == 1) & (original == 0)).any()
        if (original != right).any():
            differ.append(job.occluder)
    assert differ and set(differ) <= {"hand", "studio_microphone", "food"}


def test_another_seed_draws_other_people():
    other = dataclasses.replace(PARAMS, seed=6)
    assert plan_faces(other) != plan_faces(PARAMS)


def test_instances_fit_their_photographs(drawn: Path):
    photos = read_zip(drawn / "coco" / "train2017.zip")
    (data,) = read_zip(drawn / "coco" / "annotations_trainval2017.zip").values()
    content = json.loads(data)
    assert len(content["categories"]) == 80
    layers = {}
    for image in content["images"]:
        name = f"train2017/{image['file_name']}"
        layers[image["id"]] = np.zeros((image["height"], image["width"]), int)
        assert decode_image(photos[name], name).shape[:2] == layers[image["id"]].shape
    for entry in content["annotations"]:
        layer = layers[entry["image_id"]]
        encoded = pycocotools.mask.frPyObjects(entry["segmentation"], *layer.shape)
        if not entry["iscrowd"]:
            encoded = pycocotools.mask.merge(encoded)
        mask = pycocotools.mask.decode(encoded)
        layer += mask
        x, y, width, height = map(int, entry["bbox"])
        assert mask[y : y + height, x : x + width].sum() >= 0.97 * mask.sum()
        if entry["area"] > 2000 and entry["category_id"] not in (47, 60):  # no holes
            assert abs(mask.sum() / entry["area"] - 1) < 0.06
    assert any(entry["iscrowd"] for entry in content["annotations"])
    double = sum((layer > 1).sum() for layer in layers.values())
    assert double < 0.02 * sum((layer > 0).sum() for layer in layers.values())  # none hides another


def test_cofw_opens_as_matlab_stores_it(drawn: Path):
    members = read_zip(drawn / "cofw" / "COFW_color.zip")
    data = members["COFW_color/COFW_train_color.mat"]
    assert data.startswith(b"MATLAB 7.3 MAT-file") and data[126:128] == b"IM"
    assert data[512:520] == b"\x89HDF\r\n\x1a\n"
    masks = read_zip(drawn / "cofw" / "COFW_train_masks.zip")
    with h5py.File(io.BytesIO(data)) as file:
        assert file["IsTr"].shape == (1, 5)
        assert file["phisTr"].shape == (87, 5)
        assert file["bboxesTr"].shape == (4, 5)
        for k in range(5):
            image = file[file["IsTr"][0, k]][()]
            assert image.shape[0] == 3 and image.dtype == np.uint8
            mask = decode_mask(masks[f"COFW_train_masks/{k + 1:03d}.png"], "mask")
            assert mask.shape == image.shape[:0:-1]  # (H, W) of (3, W, H)
            x, y = file["phisTr"][:29, k] - 1, file["phisTr"][29:58, k] - 1
            visible = file["phisTr"][58:, k] == 0
            rows, columns = np.rint([y[visible], x[visible]]).astype(int)
            assert (mask[rows, columns] > 0).mean() > 0.9
    with h5py.File(io.BytesIO(members["COFW_color/COFW_test_color.mat"])) as file:
        assert set(file) >= {"IsT", "phisT", "bboxesT"}


def test_an_unknown_source_is_named(tmp_path: Path):
    with pytest.raises(ValueError, match=r"sources\.imagenet: no miniature of it; known: celeba"):
        draw_release("imagenet", tmp_path / "x", PARAMS)
    assert not (tmp_path / "x").exists()


def test_neither_set_size_nor_processes_change_a_sample(drawn: Path, tmp_path: Path):
    larger = dataclasses.replace(PARAMS, num_textures=26)  # enough for processes
    draw_release("dtd", tmp_path, larger)

    def members(folder: Path) -> dict[str, bytes]:
        with tarfile.open(folder / "dtd-r1.0.1.tar.gz") as archive:
            return {m.name: archive.extractfile(m).read() for m in archive}

    few, many = members(drawn / "dtd"), members(tmp_path)
    assert len(many) == 26
    assert all(many[name] == data for name, data in few.items())
