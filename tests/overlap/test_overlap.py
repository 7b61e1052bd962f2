"""Sets that share photographs or people are told from those that do not."""

import itertools

import cv2
import imagehash
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from bench.overlap import copies, cropped, turned
from face_occlusion.overlap.compare import (
    VARIANTS,
    VIEWS,
    WORDS,
    ImagePair,
    all_distances,
    compare_identities,
    find_overlap,
    hash_image,
    list_pairs,
    read_overlap,
    write_overlap,
)
from tests.generation.drawn import write_drawn
from tests.releases.build import ellipse, photo
from tests.tables import refuses


def make_set(folder, samples, identities=None, source="celebamask_hq"):
    parts = []
    for key, (image, mask) in samples.items():
        record = {"source": source, "identity": (identities or {}).get(key)}
        parts.append((key, {"jpg": image, "png": mask}, record))
    return write_drawn(folder, "faces", folder.name, parts, sources=[source])


@pytest.fixture
def sets(tmp_path):
    """Training faces 0-3 and 4; a benchmark whose `b` is face 2, cropped and turned."""
    copied = turned(cropped(textured(2), 0.05, np.random.default_rng(0)), 5)
    wo = {f"{n:05d}": textured(n) for n in range(4)}
    return {
        "wo": make_set(tmp_path / "wo", wo, dict.fromkeys(wo, "7")),
        "o": make_set(tmp_path / "o", {"00004": textured(4)}),
        "test": make_set(tmp_path / "test", {"t": textured(9)}, {"t": "8"}),
        "wild": make_set(tmp_path / "wild", {"a": textured(8), "b": copied}, source="realocc_wild"),
    }


def compared(sets, training=("wo", "o"), benchmarks=("test", "wild"), workers=1):
    named = ({name: sets[name] for name in names} for names in (training, benchmarks))
    overlap = find_overlap(*named, max_bits=48, num_closest=2, workers=workers)
    return overlap, {(one.first, one.second): one for one in overlap.comparisons}


def test_a_copy_is_suspected_and_nothing_else_and_known_identities_are_compared(sets, tmp_path):
    absent = write_drawn(tmp_path / "cofw", "benchmark", "cofw", [], absent="no COFW")
    _, found = compared(sets | {"cofw": absent}, benchmarks=("test", "cofw", "wild"))
    assert list(found) == [*itertools.product(("wo", "o"), ("test", "wild")), ("test", "wild")]
    one = found.pop(("wo", "wild"))
    assert [(pair.first, pair.second) for pair in one.suspected] == [("00002", "b")]
    assert one.num_suspected == (1, 1)
    assert [pair.second for pair in one.closest] == ["b", "a"]
    assert one.sizes == (4, 2)
    assert not any(other.suspected for other in found.values())
    assert found["wo", "test"].same_release and not one.same_release
    assert found["wo", "test"].shared_identities == 0
    assert found["wo", "test"].identities == "none: 1 identities, 1 others"
    assert found["o", "test"].shared_identities is None
    assert found["o", "test"].identities == "unknown: o name no identities"
    a, b = ("celebamask_hq", "7"), ("celebamask_hq", "8")
    assert compare_identities({"one": {a, b}, "two": {b}}, "one", "two") == ("1 of 1 in both", 1)
    words, shared = compare_identities({"one": {a}, "two": {("cofw", "7")}}, "one", "two")
    assert shared is None and words.startswith("unknown: identities of two")


def test_the_file_reads_back_and_is_the_same_with_more_workers(sets, tmp_path):
    overlap, _ = compared(sets)
    again, _ = compared(sets, workers=2)
    for name, one in (("a", overlap), ("b", again)):
        write_overlap(tmp_path / name, one)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert read_overlap(tmp_path / "a") == overlap
    (tmp_path / "c").write_text('{"max_bits": 3}')
    refuses(r"c: not written by `stages.overlap`", read_overlap, tmp_path / "c")
    refuses("run `dvc repro overlap`", read_overlap, tmp_path / "d")


words = st.integers(0, 2**64 - 1)


@given(
    arrays(np.uint64, (3, 2, 2, 4), elements=words), arrays(np.uint64, (2, 2, 5, 4), elements=words)
)
def test_distances_are_those_of_every_pair_of_hashes(first, second):
    every = first[:, None, :, :, None] ^ second[None, :, :, None]  # image, image, view, hash, hash
    expected = np.bitwise_count(every).sum(axis=-1, dtype=int).min(axis=(2, 3, 4))
    np.testing.assert_array_equal(all_distances(first, second), expected)


def test_pairs_are_sorted_and_bounded():
    distances, rows, columns = np.array([[9, 3], [3, 40], [1, 60]]), ["x", "y", "z"], ["p", "q"]
    pairs = list_pairs(distances, rows, columns, np.argwhere(distances <= 3))
    assert [pair.first + pair.second for pair in pairs] == ["zp", "xq", "yp"]
    assert pairs[0] == ImagePair(first="z", second="p", bits=1)


def test_the_command_lists_suspected_pairs(sets, invoke):
    folders = [sets[name].folder for name in ("wo", "wild")]
    printed = invoke("overlap", *folders, "--workers", 1)
    assert "1 pairs suspected; closest:" in printed and "  00002 b " in printed
    assert "two image sets" in invoke("overlap", folders[0], status=1)


LIMIT = 48


def textured(seed, height=192, width=160):
    """A picture with much in it, and a face's mask in its middle."""
    noise = np.clip(np.random.default_rng(seed).normal(128, 60, (24, 20, 3)), 0, 255)
    image = cv2.resize(noise.astype(np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)
    return image, ellipse(height, width, 0.3).astype(np.uint8)


def distance(one, other):
    """Bits between a training image and a benchmark image, as the stage measures them."""
    return int(all_distances(hash_image(*one)[None], hash_image(*other, variants=True)[None])[0, 0])


def test_convention_shapes_and_the_hash_of_the_whole_image_is_imagehashs():
    image, seg_map = textured(3)
    plain, variants = (hash_image(image, seg_map, variants=more) for more in (False, True))
    assert plain.shape == (len(VIEWS), 1, WORDS)
    assert variants.shape == (len(VIEWS), len(VARIANTS), WORDS)
    np.testing.assert_array_equal(variants[:, :1], plain)
    grey = Image.fromarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
    bits = np.packbits(imagehash.phash(grey, hash_size=16).hash.ravel()).view(np.uint64)
    np.testing.assert_array_equal(plain[VIEWS.index("whole"), 0], bits)
    without_face = hash_image(image, 0 * seg_map)  # the middle stands for it
    np.testing.assert_array_equal(hash_image(image, None), without_face)


def test_other_pictures_are_far():
    pictures = [textured(seed) for seed in range(12)]
    plain = np.stack([hash_image(*picture) for picture in pictures])
    variants = np.stack([hash_image(*picture, variants=True) for picture in pictures])
    near = all_distances(plain, variants) <= LIMIT
    np.testing.assert_array_equal(near, np.eye(12, dtype=bool))


@pytest.mark.parametrize("name", sorted(copies(np.random.default_rng(0))))
def test_a_changed_copy_is_near(name):
    sample = textured(2)
    assert distance(sample, copies(np.random.default_rng(0))[name](sample)) <= LIMIT


def test_a_face_is_found_by_its_mask_where_it_was_cut_out_or_reduced():
    image, mask = textured(3, 300, 400)
    cut, cut_mask = shrunk(image[50:300, 70:400], mask[50:300, 70:400], (231, 175))
    assert distance((image, mask), (cut, cut_mask)) <= LIMIT
    assert distance((image, mask), (cut, 0 * cut_mask)) > LIMIT
    image, mask = photo(1200, 900, seed=4), ellipse(1200, 900, 0.3).astype(np.uint8)
    assert distance((image, mask), shrunk(image, mask, (300, 400))) <= LIMIT


def shrunk(image, mask, size):
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return small, cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST)
