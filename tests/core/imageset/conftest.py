"""A set of seven samples in three shards, and files to damage."""

from pathlib import Path

import pytest

from face_occlusion.core.imageset import ImageSet, write_image_set

INFO = {"kind": "faces", "name": "wo", "sources": ["drawn here"]}


def numbered(count: int) -> list[tuple[str, dict[str, bytes]]]:
    return [(f"{n:05d}", {"jpg": bytes([n]) * 700, "json": b"{}"}) for n in range(count)]


def flip(path: Path, position: int, bits: int = 1) -> None:
    damaged = bytearray(path.read_bytes())
    damaged[position] ^= bits
    path.write_bytes(damaged)


@pytest.fixture
def image_set(tmp_path) -> ImageSet:
    return write_image_set(tmp_path / "wo", numbered(7), info=INFO, samples_per_shard=3)
