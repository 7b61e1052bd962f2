"""Sets that share photographs or people are told from those that do not."""

import cv2
import imagehash
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from bench.overlap import copies, cropped, turned
from face_occlusion.core.images import encode_jpeg, encode_png
from face_occlusion.core.imageset import encode_record, write_image_set
from face_occlusion.overlap.compare import (
    VARIANTS,
    VIEWS,
    WORDS,
    all_distances,
    close_pairs,
    closest_pairs,
    compare_identities,
    find_overlap,
    hash_image,
)
from face_occlusion.overlap.findings import ImagePair, read_overlap, write_overlap
from tests.releases.build import ellipse, photo


def make_set(folder, samples, identities=None, source="celebamask_hq"):
    parts = {}
    for key, (image, mask) in samples.items():
        record = {"source": source, "identity": (identities or {}).get(key)}
        parts[key] = {"jpg": encode_jpeg(image, 90), "png": encode_png(mask)}
        parts[key]["json"] = encode_record(record)
    info = {"kind": "faces", "name": folder.name, "sources": [source]}
    return write_image_set(folder, parts.items(), info=info)


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


def compared(sets, training=("wo", "o"), benchmarks=("test", "wild"), **options):
    overlap = find_overlap(
        {name: sets[name] for name in training},
        {name: sets[name] for name in benchmarks},
        **{"max_bits": 48, "num_closest": 2, "workers": 1, **options},
    )
    return overlap, {(one.first, one.second): one for one in overlap.comparisons}


def test_a_copy_is_suspected_and_nothing_else(sets):
    _, found = compared(sets)
    assert found.keys() == {(a, b) for a in ("wo", "o") for b in ("test", "wild")} | {
        ("test", "wild")
    }
    one = found["wo", "wild"]
    assert [(pair.first, pair.second) for pair in one.suspected] == [("00002", "b")]
    assert one.num_suspected == (1, 1)
    assert [pair.second for pair in one.closest] == ["b", "a"]
    assert one.sizes == (4, 2)
    assert not any(other.suspected for key, other in found.items() if key != ("wo", "wild"))
    assert found["wo", "test"].same_release and not one.same_release


def test_identities_are_compared_where_they_are_known(sets):
    _, found = compared(sets)
    assert found["wo", "test"].shared_identities == 0
    assert found["wo", "test"].identities == "none: 1 identities, 1 others"
    assert found["o", "test"].shared_identities is None
    assert found["o", "test"].identities == "unknown: o name no identities"
    a, b = ("celebamask_hq", "7"), ("celebamask_hq", "8")
    assert compare_identities({a, b}, {b}, "one", "other") == ("1 of 1 in both", 1)
    words, shared = compare_identities({a}, {("cofw", "7")}, "one", "other")
    assert shared is None and words.startswith("unknown: identities of two")


def test_the_file_reads_back_and_is_the_same_with_more_workers(sets, tmp_path):
    overlap, _ = compared(sets)
    again, _ = compared(sets, workers=2)
    for name, one in (("a", overlap), ("b", again)):
        write_overlap(tmp_path / name, one)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert read_overlap(tmp_path / "a") == overlap
    (tmp_path / "c").write_text('{"max_bits": 3}')
    with pytest.raises(ValueError, match=r"c: not written by `stages.overlap`"):
        read_overlap(tmp_path / "c")
    with pytest.raises(ValueError, match="run `dvc repro overlap`"):
        read_overlap(tmp_path / "d")


def test_absent_sets_are_left_out(sets, tmp_path):
    info = {"kind": "benchmark", "name": "cofw", "sources": ["cofw"], "absent": "no COFW"}
    gone = {**sets, "cofw": write_image_set(tmp_path / "cofw", [], info=info)}
    _, found = compared(gone, benchmarks=("cofw", "wild"))
    assert found.keys() == {("wo", "wild"), ("o", "wild")}


words = arrays(np.uint64, (3, 2, 2, 4), elements=st.integers(0, 2**64 - 1))


@given(words, arrays(np.uint64, (2, 2, 5, 4), elements=st.integers(0, 2**64 - 1)))
def test_distances_are_those_of_a_slow_loop(first, second):
    def bits(one, other):
        return sum((a ^ b).bit_count() for a, b in zip(one.tolist(), other.tolist(), strict=True))

    expected = [
        [
            min(bits(a, b) for view in range(2) for a in one[view] for b in other[view])
            for other in second
        ]
        for one in first
    ]
    np.testing.assert_array_equal(all_distances(first, second), expected)


def test_pairs_are_sorted_and_bounded():
    distances = np.array([[9, 3], [3, 40], [1, 60]])
    rows, columns = ["x", "y", "z"], ["p", "q"]
    assert [(p.first, p.second) for p in close_pairs(distances, rows, columns, 3)] == [
        ("z", "p"),
        ("x", "q"),
        ("y", "p"),
    ]
    assert closest_pairs(distances, rows, columns, 1) == [ImagePair(first="z", second="p", bits=1)]
    assert len(closest_pairs(distances, rows, columns, 9)) == 2
    assert closest_pairs(np.zeros((0, 2)), [], columns, 9) == []


def test_the_command_lists_suspected_pairs(sets, invoke):
    folders = [sets[name].folder for name in ("wo", "wild")]
    printed = invoke("overlap", *folders, "--workers", 1)
    assert "1 pairs suspected; closest:" in printed and "  00002 b " in printed
    assert "two image sets" in invoke("overlap", folders[0], status=1)


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
