"""A set of seven samples in three shards."""

import pytest

from face_occlusion.core.imageset import ImageSet, write_image_set
from tests.core.imageset.samples import INFO, numbered


@pytest.fixture
def image_set(tmp_path) -> ImageSet:
    return write_image_set(tmp_path / "wo", numbered(7), info=INFO, samples_per_shard=3)
