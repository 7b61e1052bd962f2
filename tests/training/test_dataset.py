import shutil
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from face_occlusion.apps.folders import pack_folder, unpack_image_set
from face_occlusion.core.imageset import ImageSet
from face_occlusion.training.dataset import FaceDataset, build_loader, open_parts
from tests.training.conftest import combination, train_params, write_faces


def dataset(parts, **changes) -> FaceDataset:
    params = train_params(**changes)
    return FaceDataset(parts, params.input_px, params.seed, params.augment, params.cache_mb * 2**20)


def test_an_epoch_shows_every_sample_once_in_an_order_of_its_own(data: Path):
    samples = dataset(open_parts(combination(data, "faces/wo", "sets/natocc_hand"), data))
    first = [samples.name_at(position) for position in range(20)]
    second = [samples.name_at(position) for position in range(20, 40)]
    assert len(set(first)) == 20 and set(first) == set(second)
    assert first != second


def test_original_masks_are_for_faces_only(data: Path):
    parts = open_parts(combination(data, "faces/wo", "sets/natocc_hand", masks="original"), data)
    assert [part.mask for part in parts] == ["original.png", "png"]
    original, corrected = (
        dataset(open_parts(combination(data, "faces/wo", masks=masks), data))[0]["seg_map"]
        for masks in ("original", "corrected")
    )
    assert (original == 1).sum() > (corrected == 1).sum()


def test_a_packed_set_of_ones_own_gives_the_samples_of_its_files(data: Path, tmp_path: Path):
    unpack_image_set(ImageSet(data / "faces/wo"), tmp_path / "files")
    shutil.copytree(data / "faces", tmp_path / "faces")
    info = {"kind": "faces", "name": "mine", "sources": []}
    files = tmp_path / "files/images", tmp_path / "files/masks"
    pack_folder(*files, tmp_path / "faces/mine", info=info)
    theirs = dataset(open_parts(combination(data, "faces/wo"), data))
    ours = dataset(open_parts(combination(tmp_path, "faces/mine"), tmp_path))
    for position in range(10):
        for part in ("image", "seg_map"):
            np.testing.assert_array_equal(ours[position][part], theirs[position][part])


def test_worker_count_and_cache_change_no_sample(data: Path):
    parts = open_parts(combination(data, "faces/wo", "faces/o"), data)
    batches = []
    for changes in ({}, {"cache_mb": 0}, {"num_workers": 2}):
        loader = iter(build_loader(parts, train_params(**changes), pin_memory=False))
        batches.append([next(loader) for _ in range(5)][-1])
    assert batches[0]["inputs"].shape == (4, 32, 32, 3)
    assert set(batches[0]["seg_maps"].unique().tolist()) == {0, 1}
    for other in batches[1:]:
        assert (other["inputs"] == batches[0]["inputs"]).all()
        assert (other["seg_maps"] == batches[0]["seg_maps"]).all()
        assert torch.equal(other["augmentations"], batches[0]["augmentations"])


def test_workers_start_where_opencv_has_run_threads(data: Path):
    cv2.setNumThreads(2)
    cv2.GaussianBlur(np.zeros((2000, 2000, 3), np.uint8), (0, 0), 3.0)
    parts = open_parts(combination(data, "faces/wo"), data)
    loader = build_loader(parts, train_params(num_workers=2), pin_memory=False)
    seen: list[dict] = []
    reading = threading.Thread(target=lambda: seen.append(next(iter(loader))), daemon=True)
    reading.start()
    reading.join(120)
    assert seen, "the loader's workers hang"


def test_an_absent_set_is_refused_with_its_reason(tmp_path: Path):
    write_faces(tmp_path / "faces" / "wo", "faces", 0, seed=1)
    with pytest.raises(ValueError, match=r"cannot be trained on: .*wo: the release is not here"):
        open_parts(combination(tmp_path, "faces/wo"), tmp_path)
