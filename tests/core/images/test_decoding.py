import itertools
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from face_occlusion.core.classes import to_seg_map
from face_occlusion.core.images import (
    decode_image,
    decode_mask,
    decode_rgba,
    encode_jpeg,
    encode_png,
)
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


def kinds_of(photo: np.ndarray):
    yield "PNG", encode_png(photo)
    for kind in ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF"):
        yield kind, save(Image.fromarray(photo), kind)
    yield "CMYK", save(Image.fromarray(photo).convert("CMYK"), "JPEG")
    yield "16 bit", cv2.imencode(".png", photo.astype(np.uint16) * 257)[1].tobytes()


def test_a_file_cut_anywhere_is_refused_by_name(photo):
    for kind, data in kinds_of(photo):
        end = len(data) - (2 if kind == "GIF" else 0)  # its pixels end before its last two bytes
        for length in itertools.chain(range(0, end, 7), range(end - 8, end)):
            with pytest.raises(ValueError, match=f"^photo {kind}: "):
                decode_image(data[:length], f"photo {kind}")


def test_one_flipped_bit_in_a_png_is_found(photo):
    mask = (photo[..., 0] > 99).astype(np.uint8)
    data = encode_png(mask)
    for position, bit in itertools.product(range(len(data)), (1, 128)):
        damaged = bytearray(data)
        damaged[position] ^= bit
        with pytest.raises(ValueError, match=r"^mask: "):
            decode_mask(bytes(damaged), "mask")


@given(
    st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0"])
)
def test_noise_is_refused_by_name(noise, start):
    for decode in (decode_image, decode_mask, decode_rgba):
        with pytest.raises(ValueError, match=r"^noise\.jpg: "):
            decode(start + noise, "noise.jpg")


def test_a_bomb_is_refused_before_it_is_decoded(photo):
    mask = photo[..., 0]
    for decode, data in [
        (decode_image, encode_jpeg(photo, 90)),
        (decode_image, encode_png(photo)),
        (decode_image, save(Image.fromarray(photo).convert("CMYK"), "JPEG")),
        (decode_mask, encode_png(mask)),
        (decode_mask, save(Image.fromarray(mask > 99), "PNG")),
        (decode_rgba, encode_png(np.dstack([photo, mask]))),
    ]:
        assert decode(data, "x", max_pixels=24 * 40).shape[:2] == SHAPE
        with pytest.raises(ValueError, match=r"^x: 40x24 pixels .* limit of 959 \(max_pix"):
            decode(data, "x", max_pixels=959)
    whole = bytearray(encode_png(np.zeros((2, 2), np.uint8)))
    whole[16:24] = (60_000).to_bytes(4, "big") * 2
    for decode in (decode_image, decode_mask):  # a header of 3.6 gigapixels
        with pytest.raises(ValueError, match=r"^bomb: "):
            decode(bytes(whole), "bomb")
