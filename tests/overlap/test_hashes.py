"""Hashes of copies lie close, hashes of other photographs apart; on drawn and on real faces."""

import cv2
import imagehash
import numpy as np
import pytest
from PIL import Image

from bench.overlap import copies
from face_occlusion.overlap.hashes import VARIANTS, VIEWS, WORDS, all_distances, hash_image
from tests.releases.build import ellipse, photo

LIMIT = 48


def textured(seed, height=192, width=160):
    """A picture with much in it, and a face's mask in its middle."""
    rng = np.random.default_rng(seed)
    image = np.clip(rng.normal(128, 60, (24, 20, 3)), 0, 255).astype(np.uint8)
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC), ellipse(
        height, width, 0.3
    ).astype(np.uint8)


def distance(one, other):
    """Bits between a training image and a benchmark image, as the stage measures them."""
    return int(all_distances(hash_image(*one)[None], hash_image(*other, variants=True)[None])[0, 0])


def test_convention_shapes_and_the_same_image():
    sample = textured(0)
    assert hash_image(*sample).shape == (len(VIEWS), 1, WORDS)
    variants = hash_image(*sample, variants=True)
    assert variants.shape == (len(VIEWS), len(VARIANTS), WORDS)
    np.testing.assert_array_equal(variants[:, :1], hash_image(*sample))
    assert distance(sample, sample) == 0


def test_the_hash_of_the_whole_image_is_imagehashs():
    image, seg_map = textured(3)
    grey = Image.fromarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
    bits = np.packbits(imagehash.phash(grey, hash_size=16).hash.ravel()).view(np.uint64)
    np.testing.assert_array_equal(hash_image(image, seg_map)[VIEWS.index("whole"), 0], bits)


def test_an_image_without_a_face_is_hashed_by_its_middle():
    image = textured(1)[0]
    np.testing.assert_array_equal(hash_image(image, None), hash_image(image, 0 * image[..., 0]))


def test_other_pictures_are_far():
    images = [textured(seed) for seed in range(12)]
    for n, one in enumerate(images):
        assert all(distance(one, other) > LIMIT for other in images[n + 1 :])


@pytest.mark.parametrize("name", sorted(copies(np.random.default_rng(0))))
def test_a_changed_copy_is_near(name):
    sample = textured(2)
    assert distance(sample, copies(np.random.default_rng(0))[name](sample)) <= LIMIT


def test_a_face_that_was_cut_out_of_its_photograph_is_found_by_its_mask():
    image, mask = textured(3, 300, 400)
    crop = np.s_[50:300, 70:400]
    cut = cv2.resize(image[crop], None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
    cut_mask = cv2.resize(mask[crop], cut.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    assert distance((image, mask), (cut, cut_mask)) <= LIMIT
    nothing = np.zeros_like(cut_mask)
    assert distance((image, mask), (cut, nothing)) > LIMIT


def test_large_images_are_hashed_as_their_reductions():
    image, mask = photo(1200, 900, seed=4), ellipse(1200, 900, 0.3).astype(np.uint8)
    small = cv2.resize(image, (300, 400), interpolation=cv2.INTER_AREA)
    small_mask = cv2.resize(mask, (300, 400), interpolation=cv2.INTER_NEAREST)
    assert distance((image, mask), (small, small_mask)) <= LIMIT
