import pytest

from face_occlusion.overlap.compare import ImagePair, Overlap, SetComparison
from face_occlusion.reporting.page_images import closest_pictures
from face_occlusion.reporting.tables import overlap_table


def compared(first, second, pairs, **changes):
    values = {"first": first, "second": second, "sizes": (9, 14), "same_release": False}
    values |= {"suspected": [pair for pair in pairs if pair.bits <= 48], "closest": pairs[:1]}
    values |= {"identities": "unknown: x name no identities", "shared_identities": None}
    return SetComparison(**values | changes)


@pytest.fixture
def overlap():
    near = [ImagePair(first="00000", second=f"0000{n}", bits=7 + 23 * n) for n in range(2)]
    far = [ImagePair(first="00001", second="00002", bits=80)]
    return Overlap(
        max_bits=48,
        comparisons=[
            compared("faces/wo", "benchmarks/wo_test", far, same_release=True, shared_identities=0),
            compared("faces/wo", "benchmarks/realocc", near),
            compared("benchmarks/cofw", "benchmarks/cofw_aligned", near, same_release=True),
            compared("benchmarks/realocc", "benchmarks/realocc_wild", near),
        ],
    )


def test_suspected_images_are_counted_once_each_and_marked_where_meant(overlap):
    table = overlap_table(overlap)
    found = "1 and 2 images"
    assert list(table.wide["Suspected"]) == ["none", found, f"{found} (one release)", found]
    assert list(table.wide["Closest pair"]) == ["80 bits", "7 bits", "7 bits", "7 bits"]
    assert list(table.long["suspected_pairs"]) == [0, 2, 2, 2]
    assert "at most 48 of 256 bits" in table.caption
    assert table.notes[0].endswith("by the paper: 2 pairs suspected.")


def test_the_closest_pairs_are_shown_without_those_that_are_meant(overlap, inputs):
    sets = inputs.inventory.sets
    shown = closest_pictures(overlap, sets, 48)
    assert [(pair["title_first"], pair["title_second"]) for pair in shown] == [
        ("faces/wo 00000", "benchmarks/realocc 00000"),
        ("benchmarks/realocc 00000", "benchmarks/realocc_wild 00000"),
        ("faces/wo 00001", "benchmarks/wo_test 00002"),
    ]
    assert [pair["suspected"] for pair in shown] == [True, True, False]
    assert all(pair["first"].startswith("data:image/jpeg") for pair in shown)
    assert closest_pictures(overlap, {"faces/wo": sets["faces/wo"]}, 48) == []
