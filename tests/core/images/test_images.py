"""Photographs and encoding: conventions, every kind of file, orientation, what is refused."""

import io
import itertools
import struct
import zlib
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from face_occlusion.core.classes import to_seg_map
from face_occlusion.core.images import (
    decode_image,
    decode_mask,
    decode_rgba,
    encode_jpeg,
    encode_palette_png,
    encode_png,
    encode_rgba,
)
from tests.core.images.drawn import PHOTO, SHAPE, largest_difference, save, save_wide
from tests.tables import refuses

WIDE = PHOTO[..., ::-1].astype(np.uint16) * 257  # 16 bits, BGR
FINE = {"quality": 98, "subsampling": 0}


def test_convention_channels_are_rgb():
    for data in (encode_png(PHOTO), encode_jpeg(PHOTO, 98)):
        decoded = decode_image(data, "photo")
        assert decoded.dtype == np.uint8 and decoded.flags.c_contiguous
        assert largest_difference(decoded, PHOTO) <= 6
        assert decoded[0, 0, 0] > 200 > 100 > decoded[0, 0, 2]  # red corner


@given(arrays(np.uint8, (2, 3), elements=st.sampled_from([0, 1, 255])))
def test_convention_255_is_ignored_beside_1_and_face_without(values):
    for mask, expected in ((values, values if 1 in values else values // 255), (values > 0,) * 2):
        seg_map = to_seg_map(mask, "mask")
        assert seg_map.dtype == np.uint8
        np.testing.assert_array_equal(seg_map, expected)


def test_other_class_ids_and_colours_are_refused_by_name():
    for values in ([0, 2], [0, 1, 254], [0, 127, 255], [-1, 0]):
        refuses(r"face\.png: a face mask must hold", to_seg_map, np.array([values]), "face.png")
    refuses(r"face\.png: a mask must be \(height, width\)", to_seg_map, PHOTO, "face.png")


sides = st.integers(1, 20)


@given(
    st.sampled_from([(), (3,), (4,)]).flatmap(
        lambda channels: arrays(np.uint8, st.tuples(sides, sides, *map(st.just, channels)))
    )
)
def test_pixels_survive_png(pixels):
    data = encode_png(pixels)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), pixels)
    decode = {2: decode_mask, 3: decode_image, 4: decode_rgba}[sum(pixels.shape[2:]) or 2]
    np.testing.assert_array_equal(decode(data, "x"), pixels)
    assert encode_png(pixels) == data
    view = pixels[::-1, ::2].swapaxes(0, 1)
    assert encode_png(view) == encode_png(view.copy())
    assert encode_png(view > 99) == encode_png((view > 99).astype(np.uint8))


jpeg = partial(encode_jpeg, quality=90)


@pytest.mark.parametrize(
    ("encode", "shapes", "dtype", "message"),
    [
        (encode_png, [(3, 4, 2), (0, 4), (4,), (1, 3, 4, 3)], "u1", "a PNG must be"),
        (encode_png, [(3, 4)], "u2", "a PNG must be"),
        (encode_rgba, [(3, 4, 3)], "u1", r"must be \(H, W, 4\)"),
        (jpeg, [(3, 4), (0, 4, 3)], "u1", r"must be \(H, W, 3\)"),
        (jpeg, [(3, 4, 3)], float, r"must be \(H, W, 3\)"),
        (partial(encode_jpeg, quality=0), [(3, 4, 3)], "u1", "quality must be 1-100; got 0"),
        (partial(encode_palette_png, colours={}), [(3, 4, 3)], "u1", r"must be \(H, W\) uint8"),
    ],
)
def test_what_cannot_be_encoded_is_refused(encode, shapes, dtype, message):
    for shape in shapes:
        refuses(message, encode, np.full(shape, 9, dtype))
    refuses("premultiplied", encode_rgba, np.full((3, 4, 4), (9, 9, 9, 8), np.uint8))


def test_a_palette_shows_colours_and_keeps_the_indices():
    indices = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)
    data = encode_palette_png(indices, {1: (9, 8, 7)})
    np.testing.assert_array_equal(decode_mask(data, "x"), indices)
    assert decode_image(data, "x")[0].tolist() == [[0, 0, 0], [9, 8, 7], [0, 0, 0]]


def test_jpeg_keeps_colour_resolution():
    stripes = np.zeros((*SHAPE, 3), np.uint8)
    stripes[:, ::2, 0], stripes[:, 1::2, 2] = 255, 255  # would blur to purple at 4:2:0
    decoded = decode_image(encode_jpeg(stripes, 98), "stripes")
    assert largest_difference(decoded, stripes) < 40


UPRIGHT = {  # what a viewer must do, CIPA DC-008
    1: PHOTO,
    2: PHOTO[:, ::-1],
    3: PHOTO[::-1, ::-1],
    4: PHOTO[::-1],
    5: PHOTO.swapaxes(0, 1),
    6: np.rot90(PHOTO, -1),
    7: np.rot90(PHOTO, 2).swapaxes(0, 1),
    8: np.rot90(PHOTO),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize(
    ("kind", "options"), [("JPEG", FINE), ("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True})]
)
def test_exif_orientation_is_applied(kind, options, orientation):
    data = save(PHOTO, kind, turned=orientation, **options)
    assert largest_difference(decode_image(data, "turned"), UPRIGHT[orientation]) <= 6


def test_orientation_of_16_bit_colour_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6
    chunk = b"eXIf" + exif.tobytes()[6:]  # without "Exif\0\0"
    png = save_wide(WIDE)
    turned = png[:33] + (len(chunk) - 4).to_bytes(4, "big") + chunk
    turned += zlib.crc32(chunk).to_bytes(4, "big") + png[33:]
    np.testing.assert_array_equal(decode_image(turned, "turned"), np.rot90(PHOTO, -1))


def test_a_damaged_exif_block_or_bytes_after_the_scan_leave_the_picture():
    data = encode_jpeg(PHOTO, 95)
    body = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"
    block = b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body
    for changed in (data[:2] + block + data[2:], data[:-2] + b"\0\0\0" + data[-2:]):
        np.testing.assert_array_equal(decode_image(changed, "x"), decode_image(data, "x"))
    damaged = [save(PHOTO, kind, exif=b"garbage!!", lossless=True) for kind in ("PNG", "WEBP")]
    np.testing.assert_array_equal([decode_image(data, "x") for data in damaged], [PHOTO, PHOTO])


@pytest.mark.parametrize("extension", [".png", ".tiff"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bits_are_rounded_to_8(extension, channels):
    wide = np.random.default_rng(0).integers(0, 65536, (*SHAPE, channels), dtype=np.uint16)
    wide[..., 3:] = 65535
    expected = np.broadcast_to(np.rint(wide[..., :3][..., ::-1] / 257), (*SHAPE, 3))
    np.testing.assert_array_equal(decode_image(save_wide(wide, extension), "wide"), expected)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "GIF", "BMP", "WEBP"])
def test_every_kind_is_decoded_and_grey_becomes_rgb(kind):
    options = {"quality": 98} if kind == "JPEG" else {}
    grey = decode_image(save(PHOTO[..., 1], kind, **options), "grey")
    assert largest_difference(grey, np.dstack([PHOTO[..., 1]] * 3)) <= 8
    decoded = decode_image(save(PHOTO, kind), kind)
    assert np.abs(decoded.astype(int) - PHOTO).mean() < 16


def test_cmyk_as_adobe_and_as_ink():
    ink = Image.fromarray(PHOTO).convert("CMYK")
    adobe = save(ink, "JPEG", **FINE)  # Pillow writes inverted values, as Adobe does
    plain = save(Image.fromarray(~np.asarray(ink), "CMYK"), "JPEG", **FINE)
    start = plain.index(b"\xff\xee")  # Adobe's segment
    plain = plain[:start] + plain[start + 2 + int.from_bytes(plain[start + 2 : start + 4], "big") :]
    for data, most in ((adobe, 12), (plain, 12), (save(ink, "TIFF"), 1)):
        assert largest_difference(decode_image(data, "cmyk"), PHOTO) <= most


def test_transparent_is_laid_over_black():
    alpha = np.zeros(SHAPE, np.uint8)
    alpha[:, 20:], alpha[:, 30:] = 128, 255
    decoded = decode_image(save(np.dstack([PHOTO, alpha]), "PNG"), "clear")
    assert (decoded[:, :20] == 0).all()
    assert largest_difference(decoded[:, 20:30], np.rint(PHOTO[:, 20:30] * (128 / 255))) <= 1
    np.testing.assert_array_equal(decoded[:, 30:], PHOTO[:, 30:])
    palette = Image.fromarray(np.array([[0, 1], [1, 0], [1, 1]], np.uint8), "P")
    palette.putpalette([200, 0, 0, 0, 0, 200])
    for options, first in (({}, [200, 0, 0]), ({"transparency": 0}, [0, 0, 0])):
        decoded = decode_image(save(palette, "PNG", **options), "palette")
        assert decoded[0].tolist() == [first, [0, 0, 200]]


@pytest.mark.parametrize("mode", ["F", "I"])
def test_32_bit_pixels_are_refused(mode):
    with pytest.raises(ValueError, match=r"deep\.tif: 32-bit"):
        decode_image(save(Image.fromarray(PHOTO).convert(mode), "TIFF"), "deep.tif")


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


def test_a_jpeg_cut_in_its_header_is_said_to_be():
    refuses("^photo: .*: its header is cut short", decode_image, KINDS["JPEG"][:99], "photo")


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
