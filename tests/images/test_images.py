import io
import itertools
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from face_occlusion.images import (
    decode_image,
    decode_mask,
    decode_rgba,
    encode_jpeg,
    encode_png,
    encode_rgba,
    to_seg_map,
)

# Pillow warns of some damage before it raises
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

SHAPE = (24, 40)  # H != W, so swapped axes show


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """A smooth (H, W, 3) uint8 RGB picture whose corners all differ."""
    corners = np.array([[[250, 10, 20], [30, 200, 40]], [[60, 50, 220], [90, 90, 90]]], np.uint8)
    return cv2.resize(corners, SHAPE[::-1], interpolation=cv2.INTER_LINEAR)


def save(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def largest_difference(a: np.ndarray, b: np.ndarray) -> int:
    assert a.shape == b.shape
    return int(np.abs(a.astype(int) - b.astype(int)).max())


# Conventions


def test_convention_channels_are_rgb(photo):
    for data in (encode_png(photo), encode_jpeg(photo, 98)):
        decoded = decode_image(data, "photo")
        assert decoded.dtype == np.uint8 and decoded.flags.c_contiguous
        assert largest_difference(decoded, photo) <= 6
        assert decoded[0, 0, 0] > 200 > 100 > decoded[0, 0, 2]  # red corner


def test_convention_cutouts_stay_premultiplied():
    cutout = np.zeros((*SHAPE, 4), np.uint8)
    cutout[3, 5] = (10, 20, 30, 40)
    assert decode_rgba(encode_rgba(cutout), "cutout")[3, 5].tolist() == [10, 20, 30, 40]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 1], [0, 1]),
        ([0, 255], [0, 1]),
        ([0, 1, 255], [0, 1, 255]),
        ([0, 0], [0, 0]),
        ([255, 255], [1, 1]),
        ([1, 1], [1, 1]),
        ([1, 255], [1, 255]),
        ([False, True], [0, 1]),
    ],
)
def test_convention_class_ids(values, expected):
    seg_map = to_seg_map(np.array([values, values, values]), "mask")
    assert seg_map.dtype == np.uint8
    assert seg_map.tolist() == [expected] * 3


@pytest.mark.parametrize("values", [[0, 2], [0, 1, 254], [0, 127, 255], [-1, 0]])
def test_other_class_ids_are_refused_by_name(values):
    with pytest.raises(ValueError, match=r"face\.png: a face mask must hold"):
        to_seg_map(np.array([values]), "face.png")


def test_seg_map_of_colours_is_refused():
    with pytest.raises(ValueError, match="must be \\(height, width\\)"):
        to_seg_map(np.zeros((*SHAPE, 3), np.uint8), "mask")


# Our PNG writer against two readers


@given(arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=20)))
def test_masks_survive_png(mask):
    data = encode_png(mask)
    np.testing.assert_array_equal(decode_mask(data, "mask"), mask)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), mask)
    assert encode_png(mask) == data


@given(
    st.sampled_from([3, 4]).flatmap(
        lambda channels: arrays(
            np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(channels))
        )
    )
)
def test_colours_survive_png(pixels):
    data = encode_png(pixels)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), pixels)
    if pixels.shape[2] == 4:
        np.testing.assert_array_equal(decode_rgba(data, "x"), pixels)
    else:
        np.testing.assert_array_equal(decode_image(data, "x"), pixels)


def test_png_of_a_view_equals_png_of_its_copy(photo):
    assert encode_png(photo[::2, 3:, ::-1]) == encode_png(photo[::2, 3:, ::-1].copy())
    mask = photo[..., 0] > 99
    assert encode_png(mask.T) == encode_png(mask.T.astype(np.uint8))


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((3, 4, 2), np.uint8),
        np.zeros((3, 4), np.uint16),
        np.zeros((0, 4), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((1, 3, 4, 3), np.uint8),
    ],
)
def test_what_png_cannot_hold_is_refused(pixels):
    with pytest.raises(ValueError, match="a PNG must be"):
        encode_png(pixels)


def test_straight_alpha_is_refused():
    with pytest.raises(ValueError, match="premultiplied"):
        encode_rgba(np.full((*SHAPE, 4), (9, 9, 9, 8), np.uint8))
    with pytest.raises(ValueError, match="must be \\(H, W, 4\\)"):
        encode_rgba(np.zeros((*SHAPE, 3), np.uint8))


def test_jpeg_keeps_colour_resolution(photo):
    stripes = np.zeros((*SHAPE, 3), np.uint8)
    stripes[:, ::2, 0], stripes[:, 1::2, 2] = 255, 255  # would blur to purple at 4:2:0
    decoded = decode_image(encode_jpeg(stripes, 98), "stripes")
    assert largest_difference(decoded, stripes) < 40
    for bad in (photo[..., 0], photo.astype(float), photo[:0]):
        with pytest.raises(ValueError, match="must be \\(H, W, 3\\)"):
            encode_jpeg(bad, 90)
    with pytest.raises(ValueError, match="quality must be 1-100; got 0"):
        encode_jpeg(photo, 0)


# Kinds of photographs


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_exif_orientation_is_applied(photo, kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    if kind == "JPEG":
        options = {"quality": 98, "subsampling": 0}
    upright = {  # what a viewer must do, CIPA DC-008
        1: photo,
        2: photo[:, ::-1],
        3: photo[::-1, ::-1],
        4: photo[::-1],
        5: photo.swapaxes(0, 1),
        6: np.rot90(photo, -1),
        7: np.rot90(photo, 2).swapaxes(0, 1),
        8: np.rot90(photo),
    }[orientation]
    data = save(Image.fromarray(photo), kind, exif=exif, **options)
    assert largest_difference(decode_image(data, "turned"), upright) <= 6


def test_orientation_of_16_bit_colour_is_applied(photo):
    wide = photo.astype(np.uint16) * 257
    tiff = cv2.imencode(".tiff", wide[..., ::-1])[1].tobytes()
    plain = decode_image(tiff, "wide")
    exif = Image.Exif()
    exif[0x0112] = 6
    chunk = b"eXIf" + exif.tobytes()[6:]  # without "Exif\0\0"
    png = cv2.imencode(".png", wide[..., ::-1])[1].tobytes()
    turned = png[:33] + (len(chunk) - 4).to_bytes(4, "big") + chunk
    turned += zlib.crc32(chunk).to_bytes(4, "big") + png[33:]
    np.testing.assert_array_equal(plain, photo)
    np.testing.assert_array_equal(decode_image(turned, "turned"), np.rot90(photo, -1))


def test_a_damaged_exif_block_leaves_the_picture(photo):
    data = encode_jpeg(photo, 95)
    body = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"
    block = b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body
    np.testing.assert_array_equal(
        decode_image(data[:2] + block + data[2:], "x"), decode_image(data, "x")
    )


@pytest.mark.parametrize("extension", [".png", ".tiff"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bits_are_rounded_to_8(extension, channels):
    rng = np.random.default_rng(0)
    wide = rng.integers(0, 65536, (*SHAPE, channels), dtype=np.uint16)
    wide[..., 3:] = 65535
    data = cv2.imencode(extension, wide)[1].tobytes()
    expected = np.rint(wide[..., :3][..., ::-1] / 257)
    np.testing.assert_array_equal(
        decode_image(data, "wide"), np.broadcast_to(expected, (*SHAPE, 3))
    )


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_grey_becomes_rgb(photo, kind):
    grey = photo[..., 1]
    options = {"quality": 98} if kind == "JPEG" else {}
    decoded = decode_image(save(Image.fromarray(grey), kind, **options), "grey")
    assert largest_difference(decoded, np.dstack([grey] * 3)) <= 3


def strip_adobe(data: bytes) -> bytes:
    start = data.index(b"\xff\xee")
    return data[:start] + data[start + 2 + int.from_bytes(data[start + 2 : start + 4], "big") :]


def test_cmyk_as_adobe_and_as_ink(photo):
    ink = Image.fromarray(photo).convert("CMYK")
    options = {"quality": 98, "subsampling": 0}
    adobe = save(ink, "JPEG", **options)  # Pillow writes inverted values, as Adobe does
    assert largest_difference(decode_image(adobe, "cmyk"), photo) <= 12
    plain = strip_adobe(save(Image.fromarray(~np.asarray(ink), "CMYK"), "JPEG", **options))
    assert b"Adobe" not in plain
    assert largest_difference(decode_image(plain, "cmyk"), photo) <= 12
    tiff = save(ink, "TIFF")
    assert largest_difference(decode_image(tiff, "cmyk"), photo) <= 1


def test_transparent_is_laid_over_black(photo):
    alpha = np.zeros(SHAPE, np.uint8)
    alpha[:, 20:], alpha[:, 30:] = 128, 255
    decoded = decode_image(save(Image.fromarray(np.dstack([photo, alpha])), "PNG"), "clear")
    assert (decoded[:, :20] == 0).all()
    assert largest_difference(decoded[:, 20:30], np.rint(photo[:, 20:30] * (128 / 255))) <= 1
    np.testing.assert_array_equal(decoded[:, 30:], photo[:, 30:])


def test_palette_with_a_transparent_colour():
    image = Image.fromarray(np.array([[0, 1], [1, 0], [1, 1]], np.uint8), "P")
    image.putpalette([200, 0, 0, 0, 0, 200])
    opaque = decode_image(save(image, "PNG"), "palette")
    assert opaque[0].tolist() == [[200, 0, 0], [0, 0, 200]]
    clear = decode_image(save(image, "PNG", transparency=0), "palette")
    assert clear[0].tolist() == [[0, 0, 0], [0, 0, 200]]


@pytest.mark.parametrize("kind", ["GIF", "BMP", "WEBP"])
def test_other_kinds(photo, kind):
    decoded = decode_image(save(Image.fromarray(photo), kind), kind)
    assert decoded.shape == photo.shape
    assert np.abs(decoded.astype(int) - photo).mean() < 16


@pytest.mark.parametrize("mode", ["F", "I"])
def test_32_bit_pixels_are_refused(photo, mode):
    with pytest.raises(ValueError, match=r"deep\.tif: 32-bit"):
        decode_image(save(Image.fromarray(photo).convert(mode), "TIFF"), "deep.tif")


def test_a_remark_on_a_whole_file_is_no_error(photo):
    data = encode_jpeg(photo, 95)
    padded = data[:-2] + b"\0\0\0" + data[-2:]
    np.testing.assert_array_equal(decode_image(padded, "padded"), decode_image(data, "whole"))


# Damage


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


STARTS = [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0", b"RIFF\0\1\0\0WEBPVP8 "]


@settings(max_examples=200)
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


def test_a_header_announcing_gigapixels_is_refused():
    whole = bytearray(encode_png(np.zeros((2, 2), np.uint8)))
    whole[16:24] = (60_000).to_bytes(4, "big") * 2
    for decode in (decode_image, decode_mask):
        with pytest.raises(ValueError, match=r"^bomb: "):
            decode(bytes(whole), "bomb")


# Kinds of masks


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
    for wide in (
        mask.astype(np.uint16),
        mask.astype(np.uint16) * 257,
        mask.astype(np.uint16) // 255,
    ):
        decoded = decode_mask(cv2.imencode(".png", wide)[1].tobytes(), "mask")
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
