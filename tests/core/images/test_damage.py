import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

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
    whole = bytearray(encode_png(np.zeros((2, 2), np.uint8)))
    whole[16:24] = (60_000).to_bytes(4, "big") * 2
    for decode in (decode_image, decode_mask):  # a header of 3.6 gigapixels
        with pytest.raises(ValueError, match=r"^bomb: "):
            decode(bytes(whole), "bomb")
