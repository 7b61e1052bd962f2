"""How it is packed: lists and annotations.

That each release has the names and formats of the real one is shown by the stages that read it, in
tests/test_data_stages.py; that it has the same bytes in every run, in tests/test_any_cpu.py.
"""

import dataclasses
import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import py7zr
import pycocotools.mask
import pytest

from face_occlusion.core.images import decode_image, decode_mask
from face_occlusion.faces.celebamask_hq import original_seg_map
from face_occlusion.miniature import MiniatureParams, draw_release
from face_occlusion.miniature.release_faces import plan_faces
from tests.tiny import TINY

MORE = {"num_wo_train": 6, "num_wo_test": 8, "num_o": 6, "num_objects": 14, "num_textures": 14}
PARAMS = MiniatureParams(seed=5, **TINY | MORE)  # each kind of object and texture is drawn


def read_zip(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_original_masks_equal_corrected_ones_unless_occluded(tmp_path: Path):
    draw_release("celebamask_hq", tmp_path, PARAMS)
    members = read_zip(tmp_path / "CelebAMask-HQ.zip")
    with py7zr.SevenZipFile(tmp_path / "CelebAMask-HQ-masks_corrected.7z") as archive:
        archive.extractall(tmp_path)
    differ = []
    for job in plan_faces(PARAMS):
        stem = f"CelebAMask-HQ/CelebAMask-HQ-mask-anno/0/{job.number:05d}_"
        layers = [name for name in members if name.startswith(stem)]
        parts = {name[len(stem) : -4]: decode_mask(members[name], name) > 0 for name in layers}
        corrected = tmp_path / "CelebAMask-HQ-masks_corrected" / f"{job.number}.png"
        right, original = decode_mask(corrected.read_bytes(), stem), original_seg_map(parts)
        assert not ((right == 1) & (original == 0)).any()
        differ += [job.occluder] * bool((original != right).any())
    assert differ and set(differ) <= {"hand", "studio_microphone", "food"}
    assert plan_faces(dataclasses.replace(PARAMS, seed=6)) != plan_faces(PARAMS)


def test_instances_fit_their_photographs(tmp_path: Path):
    draw_release("coco", tmp_path, PARAMS)
    photos = read_zip(tmp_path / "train2017.zip")
    (data,) = read_zip(tmp_path / "annotations_trainval2017.zip").values()
    content, layers = json.loads(data), {}
    for image in content["images"]:
        name = f"train2017/{image['file_name']}"
        layers[image["id"]] = np.zeros((image["height"], image["width"]), int)
        assert decode_image(photos[name], name).shape[:2] == layers[image["id"]].shape
    for entry in content["annotations"]:
        layer = layers[entry["image_id"]]
        encoded = pycocotools.mask.frPyObjects(entry["segmentation"], *layer.shape)
        whole = encoded if entry["iscrowd"] else pycocotools.mask.merge(encoded)
        layer += (mask := pycocotools.mask.decode(whole))
        x, y, width, height = map(int, entry["bbox"])
        assert mask[y : y + height, x : x + width].sum() >= 0.97 * mask.sum()
    double = sum((layer > 1).sum() for layer in layers.values())
    assert double < 0.02 * sum((layer > 0).sum() for layer in layers.values())  # none hides another


def test_neither_set_size_nor_processes_change_a_sample(tmp_path: Path):
    found = []
    for number in (14, 26):  # the second enough for processes
        folder = tmp_path / str(number)
        draw_release("dtd", folder, dataclasses.replace(PARAMS, num_textures=number))
        with tarfile.open(folder / "dtd-r1.0.1.tar.gz") as archive:
            found.append({m.name: archive.extractfile(m).read() for m in archive})
    few, many = found
    assert (len(few), len(many)) == (14, 26) and few.items() <= many.items()


def test_an_unknown_source_is_named(tmp_path: Path):
    with pytest.raises(ValueError, match=r"sources\.imagenet: no miniature of it; known: celeba"):
        draw_release("imagenet", tmp_path / "x", PARAMS)
    assert not (tmp_path / "x").exists()
