import numpy as np
import pycocotools.mask
import pytest
from hypothesis import given
from hypothesis.extra.numpy import array_shapes, arrays

from face_occlusion.core.classes import instance_mask
from face_occlusion.faces.correction import check_segmentation


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12)))
def test_packed_runs_pass_whatever_they_draw(mask):
    packed = pycocotools.mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    text = packed["counts"].decode()  # type: ignore[union-attr]  # bytes, whatever its stub says
    for runs in (packed, {**packed, "counts": text}):
        if mask.any():
            checked = check_segmentation(runs, mask.shape)
            np.testing.assert_array_equal(instance_mask(checked, mask.shape), mask)
        else:
            with pytest.raises(ValueError, match="covers no pixel"):
                check_segmentation(runs, mask.shape)


def test_convention_coordinates_run_along_the_edges_of_pixels():
    drawn = instance_mask([[2, 1, 5, 1, 5, 3, 2, 3]], (5, 7))
    assert drawn.sum() == 6
    assert drawn[1:3, 2:5].all()
    counts = [11, 2, 3, 2, 3, 2, 12]  # column by column
    runs = {"counts": counts, "size": [5, 7]}
    np.testing.assert_array_equal(instance_mask(runs, (5, 7)), drawn)


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ([[0, 0, 5, 0, True, 3]], "finite numbers; got True"),
        (["0 0 5 0 5 3"], "must be a list of numbers"),
        ({"size": [5, 7], "counts": [-1, 36]}, "whole numbers from 0"),
        ({"size": [5, 7], "counts": "P"}, "cut off"),
        ({"size": [5, 7]}, "whole numbers from 0; got None"),
        ([], "polygons or run lengths expected"),
    ],
)
def test_bad_segmentations_are_refused(segmentation, message):
    with pytest.raises(ValueError, match=message):
        check_segmentation(segmentation, (5, 7))
