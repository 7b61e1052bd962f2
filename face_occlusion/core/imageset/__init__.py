"""Image sets, the project's one format on disk: deterministic tar shards with an index."""

from face_occlusion.core.imageset.format import (
    INDEX,
    KINDS,
    ShardEntry,
    check_key,
    encode_record,
    shard_name,
)
from face_occlusion.core.imageset.reader import ImageSet, inherit
from face_occlusion.core.imageset.writer import write_image_set, write_index, write_shard
