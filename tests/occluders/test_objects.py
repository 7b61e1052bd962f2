import json

import numpy as np
import pytest

from face_occlusion.core.images import encode_jpeg, encode_png
from face_occlusion.occluders.objects import SelectionParams, select_objects
from tests.occluders.imports import SELECTION, run
from tests.releases.build import ellipse, make_release, photo

HEIGHT, WIDTH = 90, 120
INSTANCES = "annotations_trainval2017/annotations/instances_train2017.json"
CATEGORIES = {"person": 1, "cup": 47, "cell phone": 77, "dining table": 67}


def box(left, top, width, height):
    return [left, top, left + width, top, left + width, top + height, left, top + height]


def annotation(number, category, image, *boxes, **more):
    left, top = min(b[0] for b in boxes), min(b[1] for b in boxes)
    right, bottom = max(b[0] + b[2] for b in boxes), max(b[1] + b[3] for b in boxes)
    return {
        "id": number,
        "image_id": image,
        "category_id": CATEGORIES[category],
        "segmentation": [box(*b) for b in boxes],
        "bbox": [left, top, right - left, bottom - top],
        "area": sum(b[2] * b[3] for b in boxes),
        "iscrowd": 0,
        **more,
    }


GOOD = [
    annotation(1, "cup", 10, (20, 20, 20, 30)),
    annotation(2, "cup", 11, (20, 20, 30, 30)),
    annotation(3, "cell phone", 10, (70, 20, 20, 40)),
]


def coco_files(annotations):
    dataset = {
        "images": [
            {"id": i, "file_name": f"{i:012d}.jpg", "height": HEIGHT, "width": WIDTH, "license": 4}
            for i in (10, 11)
        ],
        "licenses": [{"id": 4, "url": "http://licence"}],
        "categories": [{"id": i, "name": name} for name, i in CATEGORIES.items()],
        "annotations": annotations,
    }
    files = {INSTANCES: json.dumps(dataset).encode()}
    for i in (10, 11):
        files[f"train2017/train2017/{i:012d}.jpg"] = encode_jpeg(photo(HEIGHT, WIDTH, i), 95)
    return files


def pick(tmp_path, annotations, num_objects, **changed):
    release = make_release(tmp_path / "raw", "coco", coco_files(annotations))
    return select_objects(release, SelectionParams(**SELECTION | changed), num_objects)


def ids(objects):
    return [item.about["annotation_id"] for item in objects]


def test_categories_take_turns_largest_first(tmp_path):
    objects, rejected = pick(tmp_path, GOOD, 2)
    assert ids(objects) == [3, 2]  # one of each; the larger cup
    assert rejected == {}
    assert ids(pick(tmp_path, GOOD, 3)[0]) == [3, 1, 2]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (annotation(9, "cup", 11, (60, 20, 5, 50)), "small"),
        (annotation(9, "cup", 11, (60, 20, 9, 9)), "small"),
        (annotation(9, "cup", 11, (60, 0, 30, 30)), "at the border"),
        (annotation(9, "cup", 11, (88, 40, 30, 30)), "at the border"),
        (annotation(9, "cup", 11, (60, 20, 30, 30), (60, 60, 20, 20)), "in several pieces"),
        (annotation(9, "cup", 11, (60, 20, 30, 30), iscrowd=1), "a crowd"),
    ],
)
def test_rules_turn_away_and_say_so(tmp_path, bad, reason):
    objects, rejected = pick(tmp_path, [*GOOD, bad], 3)
    assert ids(objects) == [3, 1, 2]
    assert rejected == {reason: 1}


def test_neighbours_turn_away_but_tables_do_not(tmp_path):
    person = annotation(20, "person", 11, (45, 10, 40, 60))
    table = annotation(21, "dining table", 10, (0, 0, 119, 89))
    objects, rejected = pick(tmp_path, [*GOOD, person, table], 2)
    assert ids(objects) == [3, 1]
    assert rejected == {"touched by another instance": 1}
    with pytest.raises(ValueError, match=r"num_objects: 2 objects wanted, while 0 pass"):
        pick(tmp_path, [*GOOD, person, table], 2, supports=[])


def test_too_few_objects_say_why(tmp_path):
    with pytest.raises(ValueError, match=r"4 objects wanted, while 3 pass .*rejected: \{\}"):
        pick(tmp_path, GOOD, 4)
    with pytest.raises(ValueError, match="while 2 pass"):
        pick(tmp_path, GOOD, 3, max_per_category=1)


def test_unknown_categories_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"categories: cupp are not in .*known: cell phone, cup"):
        pick(tmp_path, GOOD, 1, categories=["cupp"])
    with pytest.raises(ValueError, match="supports: sofa are not in"):
        pick(tmp_path, GOOD, 1, supports=["sofa"])


def import_objects(tmp_path, files, **changed):
    return run(tmp_path, "objects", "coco", files, **changed)


def test_objects_are_cut_out(tmp_path):
    objects = import_objects(tmp_path, coco_files(GOOD))
    assert objects.keys == ["cell_phone_3", "cup_2"]
    record = objects.record("cell_phone_3")
    assert (record["category"], record["licence"]) == ("cell phone", "http://licence")
    assert record["name"] == "000000000010.jpg"
    cutout = objects.cutout("cell_phone_3")
    assert cutout[cutout.shape[0] // 2, cutout.shape[1] // 2, 3] == 255
    inside = photo(HEIGHT, WIDTH, 10)[40, 80].astype(int)
    assert np.abs(cutout[cutout.shape[0] // 2, cutout.shape[1] // 2, :3] - inside).max() < 12
    assert objects.info["objects_from"] == "annotations"


ROOT = "coco_object/coco_object"


def precomputed_files():
    image = encode_jpeg(photo(60, 80), 95)
    mask = encode_png(ellipse(60, 80).astype(np.uint8) * np.uint8(255))
    files = {}
    for name in ("banana_1", "cup_12", "wine glass_3"):
        files[f"{ROOT}/object_image_sr/{name}.jpeg"] = image
        files[f"{ROOT}/object_mask_x4/{name}.png"] = mask
    return files


def test_the_authors_objects_are_read(tmp_path):
    objects = import_objects(tmp_path, precomputed_files(), source="precomputed", num_objects=3)
    assert objects.keys == ["banana_1", "cup_12", "wine_glass_3"]
    assert objects.record("cup_12")["category"] == "cup"
    assert objects.info["objects_from"] == "precomputed"
    assert objects.cutout("cup_12")[..., 3].max() == 255


MASKS, IMAGES = f"{ROOT}/object_mask_x4", f"{ROOT}/object_image_sr"
COCO_IMAGE = "train2017/train2017/000000000010.jpg"
PRECOMPUTED = {"source": "precomputed", "num_objects": 3}


@pytest.mark.parametrize(
    ("params", "changed", "message"),
    [
        (PRECOMPUTED, {f"{MASKS}/cup_12.png": None}, "object .*cup_12.jpeg' has no mask"),
        (PRECOMPUTED, {f"{MASKS}/cup_12.png": b"x"}, r"cup_12\.png"),
        (
            PRECOMPUTED,
            {f"{MASKS}/cup_12.png": encode_png(np.ones((30, 40), np.uint8))},
            r"cup_12\.jpeg: its mask \(cup_12\): a mask of 30x40 pixels, while its image has 60x80",
        ),
        (PRECOMPUTED, {f"{IMAGES}/banana_1.jpeg": b"\xff\xd8\xff"}, r"banana_1\.jpeg"),
        (PRECOMPUTED, {f"{IMAGES}/banana_1.jpeg": None}, "3 objects wanted, while .* holds 2"),
        (
            {},
            {COCO_IMAGE: encode_jpeg(photo(30, 40), 95)},
            "000000000010.jpg: 30x40 pixels, while its annotations say 90x120",
        ),
        ({}, {COCO_IMAGE: None}, r"000000000010\.jpg, which is not in train2017\.zip"),
        ({}, {INSTANCES: None}, "one file like '.*instances_train"),
    ],
)
def test_bad_releases_are_named_and_nothing_remains(tmp_path, params, changed, message):
    files = precomputed_files() if params else coco_files(GOOD)
    with pytest.raises(ValueError, match=message):
        import_objects(tmp_path, files | changed, **params)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["raw"]
