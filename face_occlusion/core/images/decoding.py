"""Decode photographs, masks and cut-outs of any common kind, and check that files are whole."""

import io
import struct
import zlib

import cv2
import numpy as np
import simplejpeg
from PIL import Image, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from face_occlusion.core.files import errors_name

MAX_PIXELS = 2**27  # 134 megapixels, 400 MB decoded: larger images are refused
JPEG_START = b"\xff\xd8\xff"
PNG_START = b"\x89PNG\r\n\x1a\n"

_ORIENTATION_TAG = 0x0112  # EXIF, TIFF 6.0
_BITS_PER_SAMPLE_TAG = 258  # TIFF 6.0
# Warnings of libjpeg about complete files; any other warning means that the file is damaged.
_HARMLESS_WARNINGS = ("extraneous bytes before marker 0xd9", "Invalid SOS parameters")


def decode_image(data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decode a photograph.

    The EXIF orientation is applied. Grey and palette images become RGB, 16 bits are rounded to 8,
    CMYK (plain, or inverted as Adobe stores it) is converted without a profile, and transparent
    images are composited over black. Of several frames or pages the first is taken.

    `data` is the content of a JPEG, PNG, WebP, TIFF, BMP, GIF, ... file, which errors call `name`.
    An image that is damaged, of an unknown format, has 32-bit pixels, or whose header announces
    more than `max_pixels` is a ValueError. Returns (H, W, 3) uint8 RGB, contiguous.
    """
    if data[:3] == JPEG_START:
        return decode_jpeg(data, name, max_pixels)
    pixels = decode_other(data, name, max_pixels)
    if pixels.dtype == np.uint16:
        pixels = np.rint(pixels / 257).astype(np.uint8)
    if pixels.ndim == 2:
        return np.repeat(pixels[..., np.newaxis], 3, axis=2)
    if pixels.shape[2] == 4:
        alpha = pixels[..., 3:].astype(np.uint16)
        return ((pixels[..., :3] * alpha + 127) // 255).astype(np.uint8)
    return pixels


def decode_jpeg(data: bytes, name: str, max_pixels: int) -> np.ndarray:
    """Decode a JPEG of any colour space, upright: (H, W, 3) uint8 RGB."""
    with errors_name(_unreadable(name), ValueError):
        try:
            height, width, colorspace, _ = simplejpeg.decode_jpeg_header(data, strict=False)
        except KeyError as error:  # of the colour space -1
            raise ValueError("its header is cut short or damaged") from error
    _check_size(int(width), int(height), name, max_pixels)
    if colorspace in ("CMYK", "YCCK"):
        return _decode_cmyk_jpeg(data, name, max_pixels)
    try:
        image = simplejpeg.decode_jpeg(data)
    except ValueError as error:
        if not any(warning in str(error) for warning in _HARMLESS_WARNINGS):
            raise ValueError(f"{_unreadable(name)}: {error}") from error
        image = simplejpeg.decode_jpeg(data, strict=False)
    return _orient(image, orientation(data))


def _decode_cmyk_jpeg(data: bytes, name: str, max_pixels: int) -> np.ndarray:
    image = load(open_image(data, name, max_pixels), name)
    if "adobe" not in image.info:
        # Pillow inverts every CMYK file, but only those with Adobe's marker are stored inverted.
        image = Image.fromarray(~np.asarray(image), "CMYK")
    return _orient(np.array(image.convert("RGB")), orientation(data))


def _orient(image: np.ndarray, orientation: int) -> np.ndarray:
    """Turn an image upright by its EXIF orientation, 1-8 (CIPA DC-008); ignore other values."""
    if orientation in (5, 6, 7, 8):
        image = image.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return np.ascontiguousarray(image)


def decode_other(data: bytes, name: str, max_pixels: int) -> np.ndarray:
    """Decode any other format: (H, W), (H, W, 3) RGB or (H, W, 4) RGBA; uint8 or uint16."""
    image = open_image(data, name, max_pixels)
    if _has_16_bit_colour(data, image):
        return _orient(_decode_with_cv2(data, name), _exif_orientation(image))
    if image.mode in ("I", "F"):
        raise ValueError(f"{name}: 32-bit pixels have no known range; save it with 8 or 16 bits")
    image = load(image, name)
    if image.mode.startswith("I;16"):
        pixels = np.asarray(image).astype(np.uint16)
    elif image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        pixels = np.array(image.convert("RGBA"))
    else:
        pixels = np.array(image if image.mode in ("L", "RGB") else image.convert("RGB"))
    return _orient(pixels, _exif_orientation(image))


def _exif_orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 (upright) where there is no EXIF that can be read."""
    try:
        return image.getexif().get(_ORIENTATION_TAG, 1)
    except (SyntaxError, ValueError, struct.error):  # damaged; ignored as in a JPEG
        return 1


def _has_16_bit_colour(data: bytes, image: Image.Image) -> bool:
    """Tell whether Pillow would truncate the image to 8 bits."""
    if data.startswith(PNG_START):
        depth, colour_type = png_kind(data)
        return depth == 16 and colour_type != 0
    bits = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE_TAG, (8,))
    return len(bits) >= 3 and max(bits) == 16


def _decode_with_cv2(data: bytes, name: str) -> np.ndarray:
    """Decode without conversion: (H, W), (H, W, 3) RGB or (H, W, 4) RGBA, uint8 or uint16."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ValueError(f"{_unreadable(name)}: OpenCV cannot decode it")
    if pixels.ndim == 3:
        code = cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
        pixels = cv2.cvtColor(pixels, code)
    return pixels


def open_image(data: bytes, name: str, max_pixels: int) -> Image.Image:
    """Read an image's header, and check its size and the chunks of a PNG."""
    with errors_name(_unreadable(name), OSError, SyntaxError, ValueError):
        try:
            image = Image.open(io.BytesIO(data))
        except UnidentifiedImageError as error:
            start = f"starts with {data[:8]!r}" if data else "the file is empty"
            raise ValueError(f"no known format; {start}") from error
        except Image.DecompressionBombError as error:
            raise ValueError(f"too large: {error}") from error
    _check_size(*image.size, name, max_pixels)
    if data.startswith(PNG_START):
        _check_png_chunks(data, name)
    return image


def load(image: Image.Image, name: str) -> Image.Image:
    """Read an image's pixels."""
    kinds = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)
    with errors_name(_unreadable(name), *kinds):
        image.load()
    return image


def _check_size(width: int, height: int, name: str, max_pixels: int) -> None:
    if width * height > max_pixels:
        size = f"{width}x{height} pixels"
        raise ValueError(f"{name}: {size} are more than the limit of {max_pixels} (max_pixels)")


def _unreadable(name: str) -> str:
    return f"{name}: not a readable image"


def png_kind(data: bytes) -> tuple[int, int]:
    """Return bit depth and colour type (0 grey, 2 RGB, 3 palette, 4 and 6 with alpha)."""
    whole = data.startswith(PNG_START) and len(data) > 25
    return (data[24], data[25]) if whole else (0, -1)


def _decode_png(data: bytes, name: str, max_pixels: int) -> np.ndarray:
    """Decode an upright PNG of 8 bits a channel, without Pillow, which is slower."""
    _check_size(*struct.unpack_from(">II", data, 16), name, max_pixels)
    _check_png_chunks(data, name)
    return _decode_with_cv2(data, name)


def _check_png_chunks(data: bytes, name: str) -> None:
    """Check length and checksum of every chunk up to the last: OpenCV ignores such damage."""
    view, position, kind = memoryview(data), len(PNG_START), b""
    while kind != b"IEND":
        end = position + 8 + int.from_bytes(view[position : position + 4], "big")
        if end + 4 > len(data):
            raise ValueError(f"{_unreadable(name)}: truncated")
        kind = bytes(view[position + 4 : position + 8])
        if zlib.crc32(view[position + 4 : end]) != struct.unpack_from(">I", data, end)[0]:
            raise ValueError(f"{_unreadable(name)}: wrong checksum in chunk {kind!r}")
        position = end + 4


def decode_mask(data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decode a mask, (H, W) uint8, without changing its values; arguments as for `decode_image`.

    A palette image gives its indices, an image of 1, 2 or 4 bits its values (0, 1, ...), and a
    colour image with equal channels one channel. An image of 16 bits must hold values up to 255,
    or multiples of 257 (65535 becomes 255). The EXIF orientation is applied. Refused is what
    `decode_image` refuses, and an image with colours or transparent pixels.
    """
    if data[:3] == JPEG_START:
        return _one_channel(decode_jpeg(data, name, max_pixels), name)
    depth, colour_type = png_kind(data)
    if (depth, colour_type) == (8, 0) and b"eXIf" not in data:
        mask = _decode_png(data, name, max_pixels)
        return mask if mask.ndim == 2 else _one_channel(mask, name)
    image = open_image(data, name, max_pixels)
    if image.mode in ("1", "P"):
        return _orient(np.array(load(image, name)).astype(np.uint8), _exif_orientation(image))
    mask = _one_channel(decode_other(data, name, max_pixels), name)
    if colour_type == 0 and depth in (2, 4):
        mask //= {2: 85, 4: 17}[depth]  # undo the stretch to 0-255
    return mask


def _one_channel(pixels: np.ndarray, name: str) -> np.ndarray:
    """Reduce a grey image in colour to (H, W) uint8."""
    if pixels.ndim == 3:
        if pixels.shape[2] == 4 and (pixels[..., 3] != np.iinfo(pixels.dtype).max).any():
            raise ValueError(f"{name}: a mask must not be transparent; save it as grey")
        if (pixels[..., :3] != pixels[..., :1]).any():
            raise ValueError(f"{name}: a mask must be grey or have a palette; got colours")
        pixels = pixels[..., 0]
    if pixels.dtype == np.uint16:
        if pixels.max() > 255:
            if (pixels % 257).any():
                raise ValueError(f"{name}: a mask must fit 8 bits; got {int(pixels.max())}")
            pixels = pixels // 257
        pixels = pixels.astype(np.uint8)
    return np.ascontiguousarray(pixels)


def decode_rgba(data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decode a cut-out as it is stored, (H, W, 4) uint8 RGBA; arguments as for `decode_image`.

    An image that is damaged, too large, or not a PNG with 8-bit RGBA is a ValueError.
    """
    if png_kind(data) != (8, 6):
        raise ValueError(f"{name}: a cut-out must be a PNG with 8-bit RGBA")
    return _decode_png(data, name, max_pixels)


def orientation(data: bytes) -> int:
    """Return the EXIF orientation of a JPEG; 1 (upright) if there is none or it is damaged."""
    if b"Exif\0\0" not in data:  # most; Pillow takes a while
        return 1
    exif = Image.Exif()
    try:
        exif.load(JpegImageFile(io.BytesIO(data)).info.get("exif", b""))
        return exif.get(_ORIENTATION_TAG, 1)
    except (OSError, SyntaxError, struct.error, ValueError):  # the pixels are complete
        return 1


def is_plain_jpeg(data: bytes) -> bool:
    """Tell whether this is a JPEG that every viewer shows the same way: upright, grey or RGB."""
    if not data.startswith(JPEG_START) or orientation(data) != 1:
        return False
    return simplejpeg.decode_jpeg_header(data, strict=False)[2] not in ("CMYK", "YCCK")
