import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from face_occlusion.core.classes import to_seg_map
from face_occlusion.core.images import decode_mask, decode_rgba, encode_jpeg, encode_png
from tests.core.images.drawn import SHAPE, save

# Pillow warns of some damage before it raises
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")


def test_palette_masks_give_indices():
    indices = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)
    image = Image.fromarray(indices, "P")
    image.putpalette([9, 9, 9, 200, 0, 0, 0, 0, 200])
    for kind in ("PNG", "TIFF", "GIF"):
        np.testing.assert_array_equal(decode_mask(save(image, kind), kind), indices)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_masks_of_few_bits_give_their_values(bits):
    values = np.arange(12, dtype=np.uint8).reshape(3, 4) % 2**bits
    data = png_of_few_bits(values, bits)
    np.testing.assert_array_equal(decode_mask(data, "few"), values)


def png_of_few_bits(values: np.ndarray, bits: int) -> bytes:
    """Write a grey PNG of 1, 2 or 4 bits a pixel by the format's definition."""
    spread = (values[..., np.newaxis] >> np.arange(bits - 1, -1, -1)) & 1
    rows = np.packbits(spread.reshape(len(values), -1), axis=1)
    content = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], bits, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", content), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def test_masks_saved_as_colour_or_16_bit_are_reduced():
    mask = np.zeros(SHAPE, np.uint8)
    mask[4:9, 5:30] = 255
    opaque = np.dstack([mask] * 3 + [np.full_like(mask, 255)])
    for pixels in (np.dstack([mask] * 3), opaque, mask > 0):
        decoded = decode_mask(save(Image.fromarray(pixels), "PNG"), "mask")
        np.testing.assert_array_equal(to_seg_map(decoded, "mask"), mask // 255)
    wide = mask.astype(np.uint16)
    for pixels in (wide, wide * 257, wide // 255):
        decoded = decode_mask(cv2.imencode(".png", pixels)[1].tobytes(), "mask")
        np.testing.assert_array_equal(to_seg_map(decoded, "mask"), mask // 255)


def test_masks_that_are_no_masks_are_refused(photo):
    wide = photo[..., 0].astype(np.uint16) * 200
    clear = np.dstack([photo[..., :1]] * 3 + [photo[..., 1]])
    for data, why in [
        (encode_png(photo), "got colours"),
        (encode_jpeg(photo, 95), "got colours"),
        (save(Image.fromarray(clear), "PNG"), "must not be transparent"),
        (cv2.imencode(".png", wide)[1].tobytes(), "must fit 8 bits; got"),
    ]:
        with pytest.raises(ValueError, match=f"^mask: .*{why}"):
            decode_mask(data, "mask")


def test_mask_orientation_follows_the_image():
    mask = np.zeros(SHAPE, np.uint8)
    mask[:3] = 1
    exif = Image.Exif()
    exif[0x0112] = 6
    data = save(Image.fromarray(mask), "PNG", exif=exif)
    np.testing.assert_array_equal(decode_mask(data, "mask"), np.rot90(mask, -1))


def test_a_cutout_must_be_rgba(photo):
    for data in (encode_png(photo), encode_jpeg(photo, 90), encode_png(photo[..., 0])):
        with pytest.raises(ValueError, match=r"^cut: a cut-out must be a PNG with 8-bit RGBA"):
            decode_rgba(data, "cut")
