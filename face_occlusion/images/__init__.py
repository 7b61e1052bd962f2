"""Decode photographs and masks of any common kind; encode JPEG and PNG, the same bytes each time.

One core, 1024x1024, milliseconds. JPEG: simplejpeg decodes in 2.8, OpenCV in 5.3, Pillow in 5.7.
PNG of a mask: our writer 1.3 and 0.4 to decode again, OpenCV's 1.3 and 3.6, Pillow's 2.5 and 1.0;
of a cut-out (RGBA): ours 14 and 7, OpenCV's 14 and 11, Pillow's 28 and 12.
Colour profiles are left unread: values are taken as sRGB.
"""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import simplejpeg
from PIL import Image, ImageOps, UnidentifiedImageError

from face_occlusion.images import jpeg
from face_occlusion.images.jpeg import encode_jpeg
from face_occlusion.images.png import PNG_START, check_whole, encode_png

__all__ = [
    "MAX_PIXELS",
    "decode_image",
    "decode_mask",
    "decode_rgba",
    "encode_jpeg",
    "encode_png",
    "encode_rgba",
    "to_seg_map",
]

MAX_PIXELS = 2**27  # 134 megapixels, 400 MB decoded; a larger header is taken for a bomb

_BITS_PER_SAMPLE_TAG = 258  # TIFF 6.0
# What libjpeg remarks on files that are whole nevertheless; any other remark is a damaged file.
_HARMLESS_REMARKS = ("extraneous bytes before marker 0xd9", "Invalid SOS parameters")


def decode_image(data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decode a photograph.

    The EXIF orientation is applied; grey and palette images become RGB, 16 bits are rounded to
    8, CMYK (also as Adobe stores it, inverted) is converted without a profile, and what is
    transparent is laid over black. Of several frames or pages the first is taken.

    Args:
        data: Content of a JPEG, PNG, WebP, TIFF, BMP, GIF, ... file.
        name: What errors call it.
        max_pixels: Refuse images whose header announces more pixels than this.

    Returns:
        (H, W, 3) uint8 RGB, contiguous.

    Raises:
        ValueError: If the image is damaged, of no known kind, too large, or in floating point.
    """
    if data[:3] == jpeg.JPEG_START:
        return _decode_jpeg(data, name, max_pixels)
    pixels = _decode_other(data, name, max_pixels)
    if pixels.dtype == np.uint16:
        pixels = np.rint(pixels / 257).astype(np.uint8)
    if pixels.ndim == 2:
        return np.repeat(pixels[..., np.newaxis], 3, axis=2)
    if pixels.shape[2] == 4:
        alpha = pixels[..., 3:].astype(np.uint16)
        return ((pixels[..., :3] * alpha + 127) // 255).astype(np.uint8)
    return pixels


def _decode_jpeg(data: bytes, name: str, max_pixels: int) -> np.ndarray:
    try:
        height, width, colorspace, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    except (KeyError, ValueError) as error:  # KeyError where the header is cut short
        raise ValueError(_blame(name, error)) from error
    _check_size(int(width), int(height), name, max_pixels)
    if colorspace in ("CMYK", "YCCK"):
        return _decode_cmyk_jpeg(data, name, max_pixels)
    try:
        image = simplejpeg.decode_jpeg(data)
    except ValueError as error:
        if not any(remark in str(error) for remark in _HARMLESS_REMARKS):
            raise ValueError(_blame(name, error)) from error
        image = simplejpeg.decode_jpeg(data, strict=False)
    return _orient(image, jpeg.orientation(data))


def _decode_cmyk_jpeg(data: bytes, name: str, max_pixels: int) -> np.ndarray:
    image = _load(_open(data, name, max_pixels), name)
    if not jpeg.is_adobes(data):
        # Pillow inverts, as Adobe's files need; without Adobe's marker ink is stored as ink.
        image = Image.fromarray(~np.asarray(image), "CMYK")
    return _orient(np.array(image.convert("RGB")), jpeg.orientation(data))


def _orient(image: np.ndarray, orientation: int) -> np.ndarray:
    """Turn an image as its EXIF orientation (1-8, CIPA DC-008) asks; other values do nothing."""
    if orientation in (5, 6, 7, 8):
        image = image.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return np.ascontiguousarray(image)


def _decode_other(data: bytes, name: str, max_pixels: int) -> np.ndarray:
    """Decode what is no JPEG: (H, W), (H, W, 3) RGB or (H, W, 4) RGBA; uint8 or uint16."""
    image = _open(data, name, max_pixels)
    if _has_16_bit_colour(data, image):
        orientation = image.getexif().get(jpeg.ORIENTATION_TAG, 1)
        return _orient(_decode_with_cv2(data, name), orientation)
    if image.mode in ("I", "F"):
        raise ValueError(f"{name}: 32-bit pixels have no known range; save it with 8 or 16 bits")
    image = ImageOps.exif_transpose(_load(image, name))
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        return np.array(image.convert("RGBA"))
    return np.array(image if image.mode in ("L", "RGB") else image.convert("RGB"))


def _has_16_bit_colour(data: bytes, image: Image.Image) -> bool:
    """Tell the images that Pillow would cut to 8 bits."""
    if data.startswith(PNG_START):
        depth, colour_type = _png_kind(data)
        return depth == 16 and colour_type != 0
    bits = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE_TAG, (8,))
    return len(bits) >= 3 and max(bits) == 16


def _decode_with_cv2(data: bytes, name: str) -> np.ndarray:
    """Decode without conversion: (H, W), (H, W, 3) RGB or (H, W, 4) RGBA, uint8 or uint16."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ValueError(_blame(name, "the decoder gave up"))
    if pixels.ndim == 3:
        code = cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
        pixels = cv2.cvtColor(pixels, code)
    return pixels


def _open(data: bytes, name: str, max_pixels: int) -> Image.Image:
    """Read an image's header, and check its size and, of a PNG, that it is whole."""
    try:
        image = Image.open(io.BytesIO(data))
    except UnidentifiedImageError as error:
        raise ValueError(_blame(name, f"no known format; starts with {data[:8]!r}")) from error
    except Image.DecompressionBombError as error:
        raise ValueError(f"{name}: too large: {error}") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(_blame(name, error)) from error
    _check_size(*image.size, name, max_pixels)
    _check_whole_png(data, name)
    return image


def _check_whole_png(data: bytes, name: str) -> None:
    if data.startswith(PNG_START):
        try:
            check_whole(data)
        except ValueError as error:
            raise ValueError(_blame(name, error)) from error


def _load(image: Image.Image, name: str) -> Image.Image:
    """Read an image's pixels."""
    try:
        image.load()
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error) as error:
        raise ValueError(_blame(name, error)) from error
    return image


def _check_size(width: int, height: int, name: str, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise ValueError(
            f"{name}: {width}x{height} pixels are more than the limit of {max_pixels} (max_pixels)"
        )


def _blame(name: str, reason: object) -> str:
    return f"{name}: not a readable image: {reason}"


def _png_kind(data: bytes) -> tuple[int, int]:
    """Return bit depth and colour type (0 grey, 2 RGB, 3 palette, 4 and 6 with alpha)."""
    whole = data.startswith(PNG_START) and len(data) > 25
    return (data[24], data[25]) if whole else (0, -1)


def _check_header(data: bytes, name: str, max_pixels: int) -> None:
    """Check a PNG without opening it with Pillow."""
    _check_size(*struct.unpack_from(">II", data, 16), name, max_pixels)
    _check_whole_png(data, name)


def decode_mask(data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decode a mask's raw values.

    Palette images give their indices, images of 1, 2 or 4 bits their values (0, 1, ...), colour
    images whose channels are equal one channel. 16 bits are accepted where they hold values up
    to 255, or multiples of 257 (0 and 65535 become 0 and 255). Orientation as `decode_image`.

    Returns:
        (H, W) uint8.

    Raises:
        ValueError: As `decode_image`, and if the image is coloured, partly transparent, or
            needs more than 8 bits.
    """
    if data[:3] == jpeg.JPEG_START:
        return _one_channel(_decode_jpeg(data, name, max_pixels), name)
    depth, colour_type = _png_kind(data)
    if (depth, colour_type) == (8, 0) and b"eXIf" not in data:
        _check_header(data, name, max_pixels)
        mask = _decode_with_cv2(data, name)
        return mask if mask.ndim == 2 else _one_channel(mask, name)
    image = _open(data, name, max_pixels)
    if image.mode in ("1", "P"):
        return np.array(ImageOps.exif_transpose(_load(image, name))).astype(np.uint8)
    mask = _one_channel(_decode_other(data, name, max_pixels), name)
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


def to_seg_map(mask: np.ndarray, name: str) -> np.ndarray:
    """Turn a mask into class ids: 0 background, 1 face, 255 ignored.

    Where both 1 and 255 occur, 255 is "ignored"; where only 0 and 255 occur, 255 is face.

    Args:
        mask: (H, W) bool, or integers 0/1, 0/255 or 0/1/255; left unchanged.
        name: What errors call it.

    Returns:
        (H, W) uint8 in {0, 1, 255}.

    Raises:
        ValueError: If the mask has other values or not two axes.
    """
    if mask.ndim != 2:
        raise ValueError(f"{name}: a mask must be (height, width); got shape {mask.shape}")
    if mask.dtype == bool:
        return mask.astype(np.uint8)
    face = mask == 255
    covered, high = np.count_nonzero(mask), np.count_nonzero(face)
    if covered == high:
        return face.view(np.uint8)
    if covered == high + np.count_nonzero(mask == 1):
        return mask.astype(np.uint8)
    found = np.unique(mask).tolist()
    some = ", ".join(map(str, found[:8])) + (", ..." if len(found) > 8 else "")
    raise ValueError(f"{name}: a face mask must hold 0/1, 0/255 or 0/1/255; got {some}")


def decode_rgba(data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decode a cut-out as it is stored: alpha is not multiplied in, nor out.

    Returns:
        (H, W, 4) uint8 RGBA.

    Raises:
        ValueError: If it is damaged, too large, or not a PNG with 8-bit RGBA.
    """
    if _png_kind(data) != (8, 6):
        raise ValueError(f"{name}: a cut-out must be a PNG with 8-bit RGBA")
    _check_header(data, name, max_pixels)
    return _decode_with_cv2(data, name)


def encode_rgba(cutout: np.ndarray) -> bytes:
    """Encode a cut-out whose colours are premultiplied by alpha, as `decode_rgba` reads it.

    Args:
        cutout: (H, W, 4) uint8 RGBA with RGB <= alpha.

    Raises:
        ValueError: If shape or dtype differ, or a colour exceeds its alpha.
    """
    if cutout.ndim != 3 or cutout.shape[2] != 4:
        raise ValueError(f"a cut-out must be (H, W, 4) uint8; got {cutout.shape} {cutout.dtype}")
    if (cutout[..., :3] > cutout[..., 3:]).any():
        raise ValueError("a cut-out must be premultiplied: no colour may exceed its alpha")
    return encode_png(cutout)
