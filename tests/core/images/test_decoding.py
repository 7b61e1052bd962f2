"""Masks and cut-outs, and files that are damaged, too large or no images."""

import itertools
import struct
import zlib

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
from tests.core.images.drawn import PHOTO, SHAPE, save, save_wide
from tests.tables import refuses

# Pillow warns of some damage before it raises
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")
GREY = PHOTO[..., 0]


def test_palette_masks_give_indices_and_masks_are_turned_upright():
    indices = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)
    image = Image.fromarray(indices, "P")
    image.putpalette([9, 9, 9, 200, 0, 0, 0, 0, 200])
    for kind in ("PNG", "TIFF", "GIF"):
        np.testing.assert_array_equal(decode_mask(save(image, kind), kind), indices)
    for mask in (indices, image):
        turned = decode_mask(save(mask, "PNG", turned=6), "turned")
        np.testing.assert_array_equal(turned, np.rot90(indices, -1))


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_masks_of_few_bits_give_their_values(bits):
    """Written as grey PNGs of 1, 2 or 4 bits a pixel by the format's definition."""
    values = np.arange(12, dtype=np.uint8).reshape(3, 4) % 2**bits
    spread = (values[..., np.newaxis] >> np.arange(bits - 1, -1, -1)) & 1
    rows = np.packbits(spread.reshape(len(values), -1), axis=1)
    content = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], bits, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n"
    for chunk in (b"IHDR" + header, b"IDAT" + content, b"IEND"):
        data += struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    np.testing.assert_array_equal(decode_mask(data, "few"), values)


def test_masks_saved_as_colour_or_16_bit_are_reduced():
    mask = np.zeros(SHAPE, np.uint8)
    mask[4:9, 5:30] = 255
    opaque = np.dstack([mask] * 3 + [np.full_like(mask, 255)])
    wide = mask.astype(np.uint16)
    for data in [
        *(save(pixels, "PNG") for pixels in (opaque[..., :3], opaque, mask > 0)),
        *(save_wide(pixels) for pixels in (wide, wide * 257, wide // 255)),
    ]:
        np.testing.assert_array_equal(to_seg_map(decode_mask(data, "mask"), "mask"), mask // 255)


@pytest.mark.parametrize(
    ("decode", "data", "why"),
    [
        (decode_mask, encode_png(PHOTO), "got colours"),
        (decode_mask, encode_jpeg(PHOTO, 95), "got colours"),
        (decode_mask, save(np.dstack([GREY] * 3 + [PHOTO[..., 1]]), "PNG"), "be transparent"),
        (decode_mask, save_wide(GREY.astype(np.uint16) * 200), "must fit 8 bits; got"),
        (decode_rgba, encode_png(PHOTO), "must be a PNG with 8-bit RGBA"),
        (decode_rgba, encode_jpeg(PHOTO, 90), "must be a PNG with 8-bit RGBA"),
        (decode_rgba, encode_png(GREY), "must be a PNG with 8-bit RGBA"),
    ],
)
def test_what_is_no_mask_or_no_cutout_is_refused(decode, data, why):
    refuses(f"^it: .*{why}", decode, data, "it")


KINDS = {kind: save(PHOTO, kind) for kind in ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF")} | {
    "our PNG": encode_png(PHOTO),
    "CMYK": save(Image.fromarray(PHOTO).convert("CMYK"), "JPEG"),
    "16 bit": save_wide(PHOTO.astype(np.uint16) * 257),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_cut_anywhere_is_refused_by_name(kind):
    data = KINDS[kind]
    end = len(data) - (2 if kind == "GIF" else 0)  # its pixels end before its last two bytes
    for length in itertools.chain(range(0, end, 7), range(end - 8, end)):
        refuses(r"^photo: ", decode_image, data[:length], "photo")


def test_one_flipped_bit_in_a_png_is_found():
    data = encode_png((GREY > 99).astype(np.uint8))
    for position, bit in itertools.product(range(len(data)), (1, 128)):
        damaged = bytearray(data)
        damaged[position] ^= bit
        refuses(r"^mask: ", decode_mask, bytes(damaged), "mask")


@given(
    st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0"])
)
def test_noise_is_refused_by_name(noise, start):
    for decode in (decode_image, decode_mask, decode_rgba):
        refuses(r"^noise\.jpg: ", decode, start + noise, "noise.jpg")


def test_a_bomb_is_refused_before_it_is_decoded():
    for decode, data in [
        *((decode_image, data) for data in (encode_jpeg(PHOTO, 90), KINDS["PNG"], KINDS["CMYK"])),
        *((decode_mask, data) for data in (encode_png(GREY), save(GREY > 99, "PNG"))),
        (decode_rgba, encode_png(np.dstack([PHOTO, GREY]))),
    ]:
        assert decode(data, "x", max_pixels=24 * 40).shape[:2] == SHAPE
        refuses(r"^x: 40x24 pixels .* limit of 959 \(max_pix", decode, data, "x", max_pixels=959)
    whole = bytearray(encode_png(np.zeros((2, 2), np.uint8)))
    whole[16:24] = (60_000).to_bytes(4, "big") * 2
    for decode in (decode_image, decode_mask):  # a header of 3.6 gigapixels
        refuses(r"^bomb: ", decode, bytes(whole), "bomb")
