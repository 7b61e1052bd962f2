"""Damaged image sets: noticed by whatever computes with them, not by `verify` alone."""

import json
import pickle
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from face_occlusion.core.imageset import ImageSet, write_image_set
from face_occlusion.evaluation.counting import Sample
from face_occlusion.generation import generate
from face_occlusion.generation.generate import generate_set
from face_occlusion.overlap.compare import hash_sets
from face_occlusion.training.dataset import read_sample
from tests.conftest import files_of
from tests.core.imageset.conftest import flip
from tests.generation.drawn import draw_face, params, write_drawn, write_faces, write_objects
from tests.tables import refuses


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    whole = write_faces(folder / "whole", 4)
    samples = (
        (key, {part: whole.read(key, part) for part in whole.parts(key)}) for key in whole.keys
    )
    write_image_set(folder / "faces", samples, info=whole.info, samples_per_shard=2)
    write_objects(folder / "objects")
    return folder


@pytest.fixture
def sets(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path


def generate_from(sets: Path) -> ImageSet:
    faces, objects = ImageSet(sets / "faces"), ImageSet(sets / "objects")
    settings = params("objects", samples_per_shard=2)
    return generate_set(faces, objects, sets / "out", settings, workers=1)


def each_face(sets: Path, read: Callable[[ImageSet, str], Any]) -> list[Any]:
    faces = ImageSet(sets / "faces")
    return [read(faces, key) for key in faces.keys]


READERS: dict[str, Callable[[Path], Any]] = {
    "generation": generate_from,
    "training": lambda sets: each_face(sets, lambda *sample: read_sample(*sample, "png", 32)),
    "evaluation": lambda sets: each_face(sets, Sample.read),
    "overlap": lambda sets: hash_sets({"faces": ImageSet(sets / "faces")}, turned=(), workers=1),
    "another process": lambda sets: pickle.dumps(ImageSet(sets / "faces")),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("seed", range(5))
def test_a_flipped_bit_anywhere_in_a_shard_is_noticed(sets: Path, reader: str, seed: int):
    rng = random.Random(seed)
    path = sets / "faces" / f"00000{rng.randrange(2)}.tar"
    flip(path, rng.randrange(path.stat().st_size), 1 << rng.randrange(8))
    refuses(rf"{path.name}: must have sha256", READERS[reader], sets)
    assert not (sets / "out").exists()


# What a change makes of a shard's two samples, each a list of key and places of parts.
INDEX: dict[str, tuple[Callable[[list, list], list], str]] = {
    "two names swapped": (lambda a, b: [[b[0], a[1]], [a[0], b[1]]], r"00001\.jpg is not at byte"),
    "two entries swapped": (lambda a, b: [b, a], r"00001\.jpg must start at"),
    "the first missing": (lambda a, b: [b], r"00001\.jpg must start at"),
    "the last missing": (lambda a, b: [a], r"tar: has \d+ bytes, but its last entry ends at"),
    "a part missing": (lambda a, b: [[a[0], {"jpg": a[1]["jpg"]}], b], "must start at"),
    "image and mask swapped": (
        lambda a, b: [[a[0], a[1] | {"jpg": a[1]["png"], "png": a[1]["jpg"]}], b],
        "must start at",
    ),
    "another key": (lambda a, b: [["renamed", a[1]], b], r"renamed\.jpg is not at byte 512"),
}


@pytest.mark.parametrize("change", INDEX)
def test_a_changed_index_is_noticed(sets: Path, change: str):
    path = sets / "faces" / "index.json"
    index = json.loads(path.read_text())
    edit, reason = INDEX[change]
    index["shards"][0]["samples"] = edit(*index["shards"][0]["samples"])
    index["count"] = sum(len(shard["samples"]) for shard in index["shards"])
    path.write_text(json.dumps(index))
    refuses(rf"index\.json: .*{reason}", READERS["training"], sets)


# What a change makes of the second mask.
MASKS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str]] = {
    "77": (lambda mask: np.where(mask == 1, 77, mask), r"00001\.png: class ids must be .* \[77\]"),
    "2": (lambda mask: mask * 2, r"00001\.png: class ids must be .* also \[2\]"),
    "254": (lambda mask: np.where(mask == 1, 254, mask), r"00001\.png: .* also \[254\]"),
    "a row less": (lambda mask: mask[1:], r"sample 00001: image .* and mask .* must share"),
    "turned": (lambda mask: mask.T, r"sample 00001: image .* and mask .* must share"),
}


@pytest.mark.parametrize("reader", ["generation", "training", "evaluation"])
@pytest.mark.parametrize("change", MASKS)
def test_masks_of_other_values_or_sizes_are_refused(tmp_path: Path, reader: str, change: str):
    edit, reason = MASKS[change]

    def samples():
        for number in range(2):
            face, mask = draw_face(number)
            mask = edit(mask).astype(np.uint8) if number else mask
            yield f"{number:05d}", {"jpg": face, "png": mask}, {}

    write_drawn(tmp_path / "faces", "faces", "faces", samples())
    write_objects(tmp_path / "objects")
    refuses(reason, READERS[reader], tmp_path)
    assert not (tmp_path / "out").exists()


def test_finished_shards_are_taken_over_unless_they_were_changed(sets: Path, monkeypatch, caplog):
    whole = generate_from(sets)
    expected = files_of(whole.folder)
    shutil.rmtree(whole.folder)
    with monkeypatch.context() as patch:  # the set dies when all its shards are finished
        patch.setattr(generate, "write_index", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            generate_from(sets)
    shard = sets / "out.partial" / "set" / "000001.tar"
    flip(shard, 700)
    finished = shard.with_name("000000.tar").stat().st_mtime_ns
    again = generate_from(sets)
    assert (again.folder / "000000.tar").stat().st_mtime_ns == finished  # not made again
    assert files_of(again.folder) == expected
    assert "000001.tar: was changed after it was written; it is generated again" in caplog.text
