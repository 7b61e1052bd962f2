"""Resize images and encode them as JPEG and PNG: the same bytes for the same pixels."""

import struct
import zlib
from collections.abc import Mapping

import cv2
import numpy as np
import simplejpeg

from face_occlusion.core.images.decoding import JPEG_START, PNG_START
from face_occlusion.core.images.resampling import enlarge_cubic


def fitted_size(size: tuple[int, int], size_px: int) -> tuple[int, int]:
    """Return the (height, width), at least 1, whose longer side is `size_px`; 0 keeps the size.

    The aspect is kept, as far as whole pixels allow.
    """
    height, width = size
    if size_px == 0:
        return height, width
    scale = size_px / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def reduced(image: np.ndarray, longer_side_px: int) -> np.ndarray:
    """Shrink an image by averaging until its longer side fits; one that does is returned itself."""
    if max(image.shape[:2]) <= longer_side_px:
        return image
    height, width = fitted_size(image.shape[:2], longer_side_px)
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def resize_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a (H, W, C) uint8 image to (height, width): by area where it shrinks, else bicubic.

    Returns the input itself if it has that size.
    """
    if image.shape[:2] == size:
        return image
    if size[0] < image.shape[0]:
        return cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
    return np.clip(np.rint(enlarge_cubic(image, size)), 0, 255).astype(np.uint8)


def fitted_jpeg(data: bytes, image: np.ndarray, size: tuple[int, int], quality: int) -> bytes:
    """Return an image as JPEG of (height, width): its own bytes if it has that size and is a JPEG.

    `data` are the file's bytes, `image` is decoded from them, `quality` is for a new JPEG, 1-100.
    """
    if image.shape[:2] == size and data.startswith(JPEG_START):
        return data
    return encode_jpeg(resize_image(image, size), quality)


def encode_jpeg(image: np.ndarray, quality: int) -> bytes:
    """Encode a photograph, (H, W, 3) uint8 RGB, as JPEG without colour subsampling (4:4:4).

    Another shape or dtype, or a quality outside 1-100, is a ValueError.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise ValueError(f"an image must be (H, W, 3) uint8; got {image.shape} {image.dtype}")
    if not 1 <= quality <= 100:
        raise ValueError(f"jpeg quality must be 1-100; got {quality}")
    return simplejpeg.encode_jpeg(np.ascontiguousarray(image), quality, "RGB", "444")


def encode_rgba(cutout: np.ndarray) -> bytes:
    """Encode a cut-out, (H, W, 4) uint8 premultiplied RGBA, as `decode_rgba` reads it.

    Another shape or dtype, or a colour that exceeds its alpha, is a ValueError.
    """
    if cutout.ndim != 3 or cutout.shape[2] != 4:
        raise ValueError(f"a cut-out must be (H, W, 4) uint8; got {cutout.shape} {cutout.dtype}")
    if (cutout[..., :3] > cutout[..., 3:]).any():
        raise ValueError("a cut-out must be premultiplied: no colour may exceed its alpha")
    return encode_png(cutout)


def straight_alpha(cutout: np.ndarray) -> np.ndarray:
    """Divide a (H, W, 4) uint8 cut-out's colours by its alpha, rounded; black where alpha is 0."""
    straight = cutout.astype(np.uint16)
    alpha = straight[..., 3:]  # (H, W, 1)
    straight[..., :3] = (straight[..., :3] * 255 + alpha // 2) // np.maximum(alpha, 1)
    return np.minimum(straight, 255).astype(np.uint8)


def encode_png(pixels: np.ndarray) -> bytes:
    """Encode as PNG; the same bytes for the same pixels and zlib.

    Pixels are (H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA, uint8 or, for grey, bool (as 0/1); else
    a ValueError. Level 1 throughout; unfiltered rows for masks, rows less the row above for
    colours: fastest to write and to read of what was measured, for a mask of 10 KB instead of 6.
    """
    if pixels.dtype == bool:
        pixels = pixels.view(np.uint8)
    colour_type = {(): 0, (3,): 2, (4,): 6}.get(pixels.shape[2:])
    if pixels.dtype != np.uint8 or pixels.ndim < 2 or colour_type is None or not pixels.size:
        raise ValueError(f"a PNG must be (H, W[, 3 or 4]) uint8; got {pixels.shape} {pixels.dtype}")
    values = pixels.reshape(len(pixels), -1)
    rows = np.empty((len(values), 1 + values.shape[1]), np.uint8)  # filter type, then the row
    rows[:, 0] = 0 if pixels.ndim == 2 else 2
    rows[:, 1:] = values
    if pixels.ndim == 3:
        rows[1:, 1:] -= values[:-1]  # modulo 256, as the filter "up" (PNG, 9.2)
    return _assemble(pixels.shape, colour_type, rows)


def encode_palette_png(indices: np.ndarray, colours: Mapping[int, tuple[int, int, int]]) -> bytes:
    """Encode indices into a palette, so that viewers show colours and readers get the indices.

    Indices are (H, W) uint8 and not empty, else a ValueError; those without RGB, 0-255, are black.
    """
    if indices.dtype != np.uint8 or indices.ndim != 2 or not indices.size:
        raise ValueError(f"indices must be (H, W) uint8; got {indices.shape} {indices.dtype}")
    palette = np.zeros((256, 3), np.uint8)
    palette[list(colours)] = list(colours.values())
    rows = np.pad(indices, [(0, 0), (1, 0)])  # filter type 0, then the row
    return _assemble(indices.shape, 3, rows, _chunk(b"PLTE", palette.tobytes()))


def _assemble(
    shape: tuple[int, ...], colour_type: int, rows: np.ndarray, more: bytes = b""
) -> bytes:
    header = struct.pack(">IIBBBBB", shape[1], shape[0], 8, colour_type, 0, 0, 0)
    content = _chunk(b"IDAT", zlib.compress(rows.data, 1))
    return PNG_START + _chunk(b"IHDR", header) + more + content + _chunk(b"IEND", b"")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
