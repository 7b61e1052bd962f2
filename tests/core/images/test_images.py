"""Photographs and encoding: conventions, every kind of file, orientation, what is refused."""

import io
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
