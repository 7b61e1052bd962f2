"""Textures of the Describable Textures Dataset, uncropped: generation crops them."""

from dataclasses import dataclass

from face_occlusion.core.images import decode_image, fitted_jpeg
from face_occlusion.core.imageset import encode_record
from face_occlusion.core.params import Checked, JpegQuality
from face_occlusion.core.release import Release


@dataclass(frozen=True, kw_only=True)
class TexturesParams(Checked):
    """Section `occluders.textures` of params.yaml."""

    size_px: int  # shorter side of every texture; 0 keeps the release's sizes
    jpeg_quality: JpegQuality  # of textures that change size

    def __post_init__(self) -> None:
        super().__post_init__()
        if 0 != self.size_px < 16:
            raise ValueError(f"size_px: must be 0 or at least 16; got {self.size_px}")


def load_texture(
    texture: tuple[str, str], *, release: Release, params: TexturesParams
) -> tuple[str, dict[str, bytes]]:
    """Read one texture of DTD (key and name), as a sample of an image set.

    Returns its key, and the parts `jpg` and `json`. An unreadable image is a ValueError.
    """
    key, name = texture
    data = release.read(name)
    image = decode_image(data, name)
    height, width = image.shape[:2]
    scale = params.size_px / min(height, width) if params.size_px else 1.0
    size = max(params.size_px, round(height * scale)), max(params.size_px, round(width * scale))
    record = {
        "category": name.split("/")[-2],
        "source": release.source,
        "name": name.rpartition("/")[2],
        "size": list(size),
        "release_size": [height, width],
    }
    jpeg = fitted_jpeg(data, image, size, params.jpeg_quality)
    return key, {"jpg": jpeg, "json": encode_record(record)}
