import threading
from pathlib import Path

import cv2
import numpy as np
import torch

from face_occlusion.core.combination import open_parts
from face_occlusion.training.dataset import FaceDataset, build_loader
from tests.training.conftest import combination, train_params


def dataset(parts, **changes) -> FaceDataset:
    return FaceDataset(parts, train_params(**changes))


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


def test_worker_count_and_cache_change_no_sample(data: Path):
    parts = open_parts(combination(data, "faces/wo", "faces/o"), data)
    batches = []
    for changes in ({}, {"cache_mb": 0}, {"num_workers": 2}):
        loader = iter(build_loader(dataset(parts, **changes)))
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
    loader = build_loader(dataset(parts, num_workers=2))
    seen: list[dict] = []
    reading = threading.Thread(target=lambda: seen.append(next(iter(loader))), daemon=True)
    reading.start()
    reading.join(120)
    assert seen, "the loader's workers hang"
