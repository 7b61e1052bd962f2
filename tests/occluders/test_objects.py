"""Objects and textures: which are taken, how they are cut, and what is refused."""

import dataclasses
import json

import cv2
import numpy as np
import pytest

from face_occlusion.core.images import encode_jpeg, encode_png
from face_occlusion.core.release import Release
from face_occlusion.generation.geometry import make_occluder
from face_occlusion.occluders import KINDS, import_occluders
from face_occlusion.occluders.objects import select_objects
from tests.occluders.imports import PARAMS, run
from tests.releases.build import ellipse, make_release, photo
from tests.tables import refuses, rows, with_changes

HEIGHT, WIDTH = 90, 120
INSTANCES = "annotations_trainval2017/annotations/instances_train2017.json"
CATEGORIES = {"person": 1, "cup": 47, "cell phone": 77, "dining table": 67}


def annotation(number, category, image, *boxes, **more):
    """An instance of rectangles, each (left, top, width, height)."""
    corners = np.array([(x, y, x + w, y + h) for x, y, w, h in boxes])
    (left, top), (right, bottom) = corners[:, :2].min(axis=0), corners[:, 2:].max(axis=0)
    return {
        "id": number,
        "image_id": image,
        "category_id": CATEGORIES[category],
        "segmentation": corners[:, [0, 1, 2, 1, 2, 3, 0, 3]].tolist(),
        "bbox": [int(left), int(top), int(right - left), int(bottom - top)],
        "area": sum(w * h for _, _, w, h in boxes),
        "iscrowd": 0,
        **more,
    }


GOOD = [
    annotation(1, "cup", 10, (20, 20, 20, 30)),
    annotation(2, "cup", 11, (20, 20, 30, 30)),
    annotation(3, "cell phone", 10, (70, 20, 20, 40)),
]


def coco_files(annotations):
    size = {"height": HEIGHT, "width": WIDTH, "license": 4}
    dataset = {
        "images": [{"id": i, "file_name": f"{i:012d}.jpg", **size} for i in (10, 11)],
        "licenses": [{"id": 4, "url": "http://licence"}],
        "categories": [{"id": i, "name": name} for name, i in CATEGORIES.items()],
        "annotations": annotations,
    }
    jpegs = {i: encode_jpeg(photo(HEIGHT, WIDTH, i), 95) for i in (10, 11)}
    photos = {f"train2017/train2017/{i:012d}.jpg": jpeg for i, jpeg in jpegs.items()}
    return {INSTANCES: json.dumps(dataset).encode()} | photos


def pick(tmp_path, annotations, num_objects, **changed):
    release = make_release(tmp_path / "raw", "coco", coco_files(annotations))
    selection = dataclasses.replace(PARAMS.objects.selection, **changed)
    return select_objects(release, selection, num_objects)


def ids(objects):
    return [item.about["annotation_id"] for item in objects]


def test_categories_take_turns_largest_first(tmp_path):
    objects, rejected = pick(tmp_path, GOOD, 2)
    assert ids(objects) == [3, 2]  # one of each; the larger cup
    assert rejected == {}
    assert ids(pick(tmp_path, GOOD, 3)[0]) == [3, 1, 2]


@pytest.mark.parametrize(("boxes", "more", "reason"), rows(__file__, "rejected"))
def test_rules_turn_away_and_say_so(tmp_path, boxes, more, reason):
    objects, rejected = pick(tmp_path, [*GOOD, annotation(9, "cup", 11, *boxes, **more)], 3)
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


@pytest.mark.parametrize(("changed", "num_objects", "message"), rows(__file__, "refused"))
def test_too_few_objects_and_unknown_categories_are_named(tmp_path, changed, num_objects, message):
    refuses(message, pick, tmp_path, GOOD, num_objects, **changed)


def import_objects(tmp_path, files, **changed):
    return run(tmp_path, "objects", "coco", files, **changed)


def test_objects_are_cut_out(tmp_path):
    objects = import_objects(tmp_path, coco_files(GOOD))
    assert objects.keys == ["cell_phone_3", "cup_2"]
    record = objects.record("cell_phone_3")
    assert (record["category"], record["licence"]) == ("cell phone", "http://licence")
    assert record["name"] == "000000000010.jpg"
    cutout = objects.cutout("cell_phone_3")
    middle = cutout[cutout.shape[0] // 2, cutout.shape[1] // 2].astype(int)
    assert middle[3] == 255
    assert np.abs(middle[:3] - photo(HEIGHT, WIDTH, 10)[40, 80]).max() < 12
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


RELEASES = {
    "annotated": ({"source": "annotations"}, coco_files(GOOD)),
    "precomputed": ({"source": "precomputed", "num_objects": 3}, precomputed_files()),
}
BAD = [[name, *row] for name in RELEASES for row in rows(__file__, name)]


@pytest.mark.parametrize(("release", "changes", "message"), BAD)
def test_bad_releases_are_named_and_nothing_remains(tmp_path, release, changes, message):
    params, files = RELEASES[release]
    refuses(message, import_objects, tmp_path, with_changes(files, changes), **params)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["raw"]


DOTTED = "dtd-r1.0.1/dtd/images/dotted/dotted_0001.jpg"
TEXTURES = {
    DOTTED: encode_jpeg(photo(50, 80), 90),
    "dtd-r1.0.1/dtd/images/banded/banded_0002.jpg": encode_jpeg(photo(30, 20), 90),
    "dtd-r1.0.1/dtd/labels/train1.txt": b"x",
}


def test_textures_take_a_shorter_side_and_keep_their_aspect_or_their_bytes(tmp_path):
    textures = run(tmp_path / "small", "textures", "dtd", TEXTURES)
    assert textures.keys == ["banded_0002", "dotted_0001"]
    assert textures.image("dotted_0001").shape == (40, 64, 3)
    assert textures.image("banded_0002").shape == (60, 40, 3)
    assert textures.record("banded_0002")["category"] == "banded"
    assert textures.info["kind"] == "textures"
    whole = run(tmp_path / "whole", "textures", "dtd", TEXTURES, size_px=0)
    assert whole.read("dotted_0001", "jpg") == TEXTURES[DOTTED]


def test_bad_textures_are_named(tmp_path):
    broken = TEXTURES | {DOTTED.replace("01.", "09."): b"\xff\xd8\xff"}
    refuses(r"dotted_0009\.jpg", run, tmp_path / "a", "textures", "dtd", broken)
    with pytest.raises(ValueError, match=r"expected files like .*found dtd-r1"):
        run(tmp_path / "b", "textures", "dtd", {"dtd-r1.0.1/dtd/labels/train1.txt": b"x"})
    assert not list(tmp_path.glob("*/out"))


def test_glasses_are_two_lenses_on_a_bridge_and_more_pairs_leave_the_first_as_they_are(tmp_path):
    few = run(tmp_path / "few", "glasses", "dtd", TEXTURES)
    more = run(tmp_path / "more", "glasses", "dtd", TEXTURES, count=30)
    assert few.keys == ["glasses_0000", "glasses_0001", "glasses_0002"] == more.keys[:3]
    assert few.info["kind"] == "cutouts" and few.record(few.keys[1])["name"] == "dotted_0001.jpg"
    for key in more.keys:
        pair = make_occluder(more.cutout(key))  # refuses colours above alpha
        covered = pair.levels[0][..., 3] >= 128  # what is labelled as an occluder
        rows, columns = (np.flatnonzero(covered.any(axis)) for axis in (1, 0))
        assert 1.4 < np.ptp(columns) / np.ptp(rows) < 6
        filled = covered.astype(np.uint8)
        cv2.drawContours(filled, cv2.findContours(filled, 0, 1)[0], -1, (1,), cv2.FILLED)
        assert covered.sum() > 0.9 * filled.sum()  # a lens, however clear, is covered
    np.testing.assert_array_equal(few.cutout(few.keys[2]), more.cutout(few.keys[2]))


@pytest.mark.parametrize(("kind", "stored"), KINDS.items())
def test_an_absent_release_gives_an_empty_set_that_says_so(tmp_path, kind, stored):
    (tmp_path / "release.json").write_text('{"source": "dtd", "absent": "not here"}')
    empty = import_occluders(kind, Release(tmp_path), tmp_path / kind, PARAMS)
    assert (len(empty), empty.absent, empty.info["kind"]) == (0, "not here", stored)
