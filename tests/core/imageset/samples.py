"""Samples, and files to compare and to damage, for these tests."""

from pathlib import Path

INFO = {"kind": "faces", "name": "wo", "sources": ["drawn here"]}


def numbered(count: int) -> list[tuple[str, dict[str, bytes]]]:
    return [(f"{n:05d}", {"jpg": bytes([n]) * 700, "json": b"{}"}) for n in range(count)]


def flip(path: Path, position: int, bits: int = 1) -> None:
    damaged = bytearray(path.read_bytes())
    damaged[position] ^= bits
    path.write_bytes(damaged)
