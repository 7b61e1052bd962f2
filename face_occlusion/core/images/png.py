"""PNG by hand, where it is faster or stricter than the codecs: writing, and checking."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

import numpy as np

PNG_START = b"\x89PNG\r\n\x1a\n"


def check_whole(data: bytes) -> None:
    """Check length and checksum of every chunk: OpenCV passes over damage in silence.

    Raises:
        ValueError: If a chunk is cut or damaged, or the last one (IEND) is missing.
    """
    view, position, kind = memoryview(data), len(PNG_START), b""
    while kind != b"IEND":
        if position + 12 > len(data):
            raise ValueError("cut short")
        (length,) = struct.unpack_from(">I", data, position)
        end = position + 8 + length
        if end + 4 > len(data):
            raise ValueError("cut short")
        kind = bytes(view[position + 4 : position + 8])
        if zlib.crc32(view[position + 4 : end]) != struct.unpack_from(">I", data, end)[0]:
            raise ValueError(f"wrong checksum in chunk {kind!r}")
        position = end + 4


def encode_png(pixels: np.ndarray) -> bytes:
    """Encode as PNG; the same bytes for the same pixels and zlib.

    Level 1 throughout; unfiltered rows for masks, rows less the row above for colours: fastest
    to write and to read of what was measured, for a mask of 10 KB instead of 6.

    Args:
        pixels: (H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA, uint8 or, for grey, bool (as 0/1).

    Raises:
        ValueError: If shape or dtype differ.
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

    Args:
        indices: (H, W) uint8, not empty.
        colours: RGB of the indices, 0-255; indices left out are black.

    Raises:
        ValueError: If shape or dtype differ.
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
