"""NatOcc and RandOcc in Albumentations; `test_light_install` runs this where it is installed."""

import cv2
import numpy as np
import pytest

A = pytest.importorskip("albumentations", reason="not installed beside opencv-python")

from face_occlusion.transforms.albumentations import NatOcc, RandOcc  # noqa: E402  # after the skip

from .examples import example_blocks  # noqa: E402  # likewise

ROWS, COLUMNS = np.mgrid[:120, :100]
MASK = ((ROWS - 60) ** 2 / 45**2 + (COLUMNS - 50) ** 2 / 35**2 <= 1).astype(np.uint8)
IMAGE = np.dstack([120 + ROWS, 90 + COLUMNS, 40 + 100 * MASK]).astype(np.uint8)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("occluders")
    disc = np.zeros((60, 60, 4), np.uint8)
    cv2.circle(disc, (30, 30), 25, (20, 200, 60, 255), -1)
    pictures = {"objects/disc": disc, "hands/disc": disc, "textures/noise": IMAGE[::-1]}
    for name, pixels in pictures.items():
        (folder / name).parent.mkdir()
        cv2.imwrite(f"{folder / name}.png", pixels)
    return folder


@pytest.fixture(params=["natocc", "randocc"])
def transform(request, folders):
    if request.param == "natocc":
        return NatOcc(str(folders / "objects"), p=1)
    return RandOcc(str(folders / "textures"), p=1)


def test_compose_seeds_it_and_hides_the_same_pixels_in_all_masks(transform):
    regions = np.where(MASK == 1, 5 + COLUMNS // 50, 3).astype(np.int32)  # of another kind
    targets = {"regions": "mask"}
    seeded = (A.Compose([transform], additional_targets=targets, seed=seed) for seed in (1, 1, 2))
    made = [compose(image=IMAGE, mask=MASK, regions=regions) for compose in seeded]
    np.testing.assert_array_equal(made[0]["image"], made[1]["image"])
    assert (made[0]["image"] != made[2]["image"]).any()
    hidden = made[0]["mask"] < MASK
    assert hidden.any() and (made[0]["image"][hidden] != IMAGE[hidden]).any()
    assert (made[0]["regions"][hidden] == 0).all()
    kept = made[0]["regions"] != 0
    np.testing.assert_array_equal(made[0]["regions"][kept], regions[kept])
    assert made[0]["regions"].dtype == np.int32


def test_a_list_of_masks_boxes_and_points(transform):
    bbox, xy = A.BboxParams("pascal_voc", label_fields=["labels"]), A.KeypointParams("xy")
    compose = A.Compose([transform], bbox_params=bbox, keypoint_params=xy, seed=3)
    boxes, points = np.array([[15.0, 15, 85, 105]]), np.array([[50.0, 60]])
    made = compose(image=IMAGE, masks=[MASK, 1 - MASK], bboxes=boxes, labels=[1], keypoints=points)
    np.testing.assert_allclose(made["bboxes"], boxes)
    np.testing.assert_allclose(made["keypoints"], points)
    single = A.Compose([transform], seed=3)(image=IMAGE, mask=MASK)
    np.testing.assert_array_equal(made["masks"][0], single["mask"])


def test_replay(transform):
    compose = A.ReplayCompose([A.HorizontalFlip(p=0.5), transform])
    first = compose(image=IMAGE, mask=MASK)
    again = A.ReplayCompose.replay(first["replay"], image=IMAGE, mask=MASK)
    np.testing.assert_array_equal(first["image"], again["image"])
    np.testing.assert_array_equal(first["mask"], again["mask"])
    with pytest.raises(ValueError, match=r"must be uint8 RGB \(120, 100, 3\); got \(60,"):
        A.ReplayCompose.replay(first["replay"], image=IMAGE[:60], mask=MASK[:60])


def test_an_image_without_a_face_stays_and_a_missing_mask_is_named(transform):
    made = A.Compose([transform])(image=IMAGE, mask=np.zeros_like(MASK))
    np.testing.assert_array_equal(made["image"], IMAGE)
    with pytest.raises(ValueError, match=r"needs mask= or masks="):
        A.Compose([transform])(image=IMAGE)


def test_the_documented_example(folders, monkeypatch):
    monkeypatch.chdir(folders)
    names = {"image": IMAGE, "mask": MASK, "regions": 2 * MASK}
    exec(example_blocks()[1], names)
    np.testing.assert_array_equal(names["occluded"]["regions"], 2 * names["occluded"]["mask"])
