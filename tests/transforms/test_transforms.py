"""NatOcc and RandOcc on numpy arrays, in the workers of a data loader and in MMSegmentation."""

import atexit
import pickle
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from mmengine.utils import import_modules_from_strings
from torch.utils.data import DataLoader, Dataset

from face_occlusion.apps.folders import unpack_image_set
from face_occlusion.core.images import straight_alpha
from face_occlusion.core.imageset import ImageSet
from face_occlusion.cutouts import crop_to_alpha
from face_occlusion.generation import ClassIds, occlude
from face_occlusion.generation.params import default_params
from face_occlusion.generation.store import read_occluder
from face_occlusion.transforms import NatOcc, RandOcc
from tests.apps.pictures import save
from tests.generation import drawn
from tests.transforms.examples import example_blocks

FACE, MASK = drawn.draw_face()
SAMPLE = {"img_path": "face.png", "seg_map_path": "mask.png", "reduce_zero_label": False}


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Occluders as files and as image sets, and a face, in the current folder."""
    save(tmp_path / "hands/hand.png", straight_alpha(drawn.draw_hand()))
    save(tmp_path / "objects/disc.png", straight_alpha(drawn.draw_disc()))
    save(tmp_path / "textures/stripes.png", drawn.draw_texture())
    drawn.write_hands(tmp_path / "set_hands")
    drawn.write_textures(tmp_path / "set_textures")
    drawn.write_glasses(tmp_path / "set_glasses")
    save(tmp_path / "face.png", FACE)
    save(tmp_path / "mask.png", MASK)
    monkeypatch.chdir(tmp_path)
    return tmp_path


SETS = ("set_hands", "set_textures", "set_glasses")


def make(folders, name, **options):
    if name.endswith("textures"):
        return RandOcc(folders / name, **options)
    return NatOcc(folders / name, hands=name == "hands", **options)


@pytest.mark.parametrize("augment_face", [False, True])
@pytest.mark.parametrize("name", ["hands", "objects", "textures", *SETS])
def test_it_is_the_generator_with_the_papers_settings(folders, name, augment_face):
    transform = make(folders, name, augment_face=augment_face, p=1)
    assert transform.params.keep_background is not augment_face
    kind = name.removeprefix("set_")
    changed = {"keep_background": transform.params.keep_background}
    assert vars(transform.params) == vars(default_params(kind)) | changed
    image, mask = transform(FACE, MASK, np.random.default_rng(5))
    rng = np.random.default_rng(5)
    rng.uniform()  # decides whether to occlude
    expected = occlude(FACE, MASK, transform.occluders, rng, transform.params)
    np.testing.assert_array_equal(image, expected[0])
    np.testing.assert_array_equal(mask, expected[1])
    assert (image != FACE).any() and (mask < MASK).any()


def test_p_is_the_share_of_occluded_images_and_no_face_is_no_error(folders):
    rng = np.random.default_rng(0)
    transform = NatOcc(folders / "objects", p=0.25)
    changed = [transform(FACE, MASK, rng)[0] is not FACE for _ in range(200)]
    assert 0.15 < np.mean(changed) < 0.35
    image, mask = NatOcc(folders / "objects", p=1)(FACE, np.zeros_like(MASK), rng)
    assert image is FACE and not mask.any()
    with pytest.warns(UserWarning, match=r"255 means ignored.*pass mask > 0"):
        assert NatOcc(folders / "objects", p=1)(FACE, MASK * 255, rng)[0] is FACE
    white = NatOcc(folders / "objects", p=1, class_ids=ClassIds(face=(255,)))(FACE, MASK * 255, rng)
    assert set(np.unique(white[1])) == {0, 255} and white[1].sum() < MASK.sum() * 255
    _, mask = NatOcc(folders / "objects", p=1)(FACE[:, ::-1], MASK[:, ::-1] == 1, rng)  # a view
    assert mask.any() and (mask <= MASK[:, ::-1]).all()
    with pytest.raises(ValueError, match=r"p must lie in 0-1; got 2"):
        NatOcc(folders / "objects", p=2)


def test_colours_can_be_left_and_other_classes_are_kept(folders):
    plain = NatOcc(folders / "hands", hands=True, colour_transfer=None)
    assert plain.params.colour_transfer is None
    assert NatOcc(folders / "objects", harmonisation=None).params.harmonisation is None
    seg_map = np.where(MASK == 1, np.uint8(3), np.uint8(7))
    transform = NatOcc(folders / "objects", class_ids=ClassIds((3,), 9), p=1)
    _, occluded = transform(FACE, seg_map, np.random.default_rng(1))
    assert set(np.unique(occluded)) == {3, 7, 9}
    np.testing.assert_array_equal(occluded[occluded != 9], seg_map[occluded != 9])


@pytest.mark.parametrize("p", [0, 1])
@pytest.mark.parametrize("mask", [MASK.astype(np.int64), MASK[:50]])
def test_another_type_or_size_of_mask_is_refused_whether_occluded_or_not(folders, mask, p):
    with pytest.raises(ValueError, match=r"must be bool or uint8 of the face's size \(176, 160\)"):
        NatOcc(folders / "objects", p=p)(FACE, mask, np.random.default_rng(0))


class Faces(Dataset):
    """A face, occluded anew for each index."""

    def __init__(self, transform):
        self.transform = transform

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return self.transform(FACE, MASK, np.random.default_rng(index))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_share_the_occluders_and_sample_alike(folders, method):
    transform = NatOcc(folders / "set_hands", p=1)
    loader = DataLoader(Faces(transform), num_workers=2, multiprocessing_context=method)
    for index, (image, mask) in enumerate(loader):
        expected = transform(FACE, MASK, np.random.default_rng(index))
        np.testing.assert_array_equal(image[0], expected[0])
        np.testing.assert_array_equal(mask[0], expected[1])
    assert transform.occluders[0] is not None  # the workers removed nothing


def test_occluders_travel_by_name_and_go_with_the_process(folders, monkeypatch):
    at_end: list[partial] = []
    monkeypatch.setattr(atexit, "register", lambda *call: at_end.append(partial(*call)))
    transform = NatOcc(folders / "set_hands", p=1)
    store: Any = transform.occluders
    path = store._path
    data = pickle.dumps(transform)
    assert len(data) < 5000 < path.stat().st_size
    del transform, store
    copy = pickle.loads(data)
    for key, shared in zip(ImageSet(folders / "set_hands").keys, copy.occluders, strict=True):
        read = read_occluder(ImageSet(folders / "set_hands"), key)
        for level, expected in zip(shared.levels, read.levels, strict=True):
            np.testing.assert_array_equal(level, expected)
            assert not level.flags.writeable
    at_end[0]()
    assert not path.parent.exists()


def test_the_documented_example_of_numpy(folders):
    names = {}
    exec(example_blocks()[0], names)
    made = [names["augment"](FACE, MASK, 1, epoch) for epoch in range(8)]
    assert any(image is not FACE for image, _ in made)


@pytest.mark.parametrize("name", ["hands", "set_textures"])
def test_the_documented_pipeline_of_mmsegmentation_occludes_as_the_transforms_do(folders, name):
    config = Config.fromstring(example_blocks()[2], ".py")
    import_modules_from_strings(**config.custom_imports)
    occlusion, flip = config.train_pipeline[2:4]
    occlusion.p, flip.prob = 1, 0.0
    if name == "set_textures":
        config.train_pipeline[2] = {"type": "RandOcc", "textures": name, "p": 1}
    np.random.seed(3)  # noqa: NPY002  # as MMEngine does
    with DefaultScope.overwrite_default_scope("mmseg"):
        packed: Any = Compose(config.train_pipeline)(SAMPLE | {"seg_fields": []})
    np.random.seed(3)  # noqa: NPY002  # as MMEngine does
    seed = np.random.randint(2**32, size=4, dtype=np.uint32)  # noqa: NPY002  # likewise
    image, mask = make(folders, name, p=1)(FACE, MASK, np.random.default_rng(seed))
    bgr = torch.from_numpy(image[..., ::-1].copy()).permute(2, 0, 1)
    assert torch.equal(packed["inputs"], bgr)
    np.testing.assert_array_equal(packed["data_samples"].gt_sem_seg.data[0], mask)


def test_the_example_of_one_occlusion_runs_on_unpacked_sets(folders, monkeypatch):
    """Its cut-out has straight alpha, soft edges included, and is the image set's own."""
    unpack_image_set(ImageSet(folders / "set_hands"), folders / "unpacked/hands")
    save(folders / "unpacked/faces/images/a.png", FACE)
    save(folders / "unpacked/faces/masks/a.png", MASK * np.uint8(255))
    monkeypatch.chdir(folders / "unpacked")
    names = {}
    exec(example_blocks()[3], names)
    assert 0 < (names["mask"] != MASK).mean() < 1
    np.testing.assert_array_equal(names["mask"] == 1, MASK & (names["mask"] == 1))
    inside = crop_to_alpha(ImageSet(folders / "set_hands").cutout("hand0"))
    assert np.abs(names["hand"].levels[0].astype(int) - inside).max() <= 1
