"""Generate a whole set: every face of an image set, once or in several variants, with an occluder.

A shard is one task. Finished shards wait in `OUT.partial` and are kept there by a run that was
killed; a later run with the same inputs, parameters and code takes them over. The set appears
under its name in one rename, complete or not at all.

A worker's private memory is 65-75 MB at 1024x1024, interpreter included, for sets of any size;
cut-outs are mapped from one file (4 MB for a hand of 0.76 megapixels in all its sizes), whose pages
the workers share, see `store`.
"""

import dataclasses
import json
import logging
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import simplejpeg
from tqdm import tqdm

from face_occlusion.core.files import (
    atomic_write,
    check_unused,
    code_sha256,
    file_sha256,
    read_json,
)
from face_occlusion.core.images import encode_jpeg, encode_png
from face_occlusion.core.imageset import (
    ImageSet,
    encode_record,
    inherit,
    shard_name,
    write_image_set,
    write_index,
    write_shard,
)
from face_occlusion.core.imageset.format import ShardEntry, variant_keys
from face_occlusion.core.parallel import num_workers, run_tasks
from face_occlusion.generation.occlusion import occlude, sample_rng, stable_id
from face_occlusion.generation.params import GenerateParams
from face_occlusion.generation.store import OccluderStore, TextureStore, open_store


@dataclasses.dataclass(frozen=True)
class ShardTask:
    """Generate one shard; calling it writes the shard and returns its index entry."""

    folder: Path
    number: int
    keys: Mapping[str, str]  # of its samples -> of the faces they are made from
    faces: ImageSet
    occluders: OccluderStore | TextureStore
    params: GenerateParams

    def __call__(self) -> ShardEntry:
        """Write the shard in a folder of this process, then rename it to its place."""
        name = shard_name(self.number)
        temporary = self.folder.parent / f"writing-{os.getpid()}"
        temporary.mkdir(exist_ok=True)
        entry = write_shard(temporary / name, map(self.sample, self.keys))
        atomic_write(_note(self.folder, name), json.dumps(entry))
        (temporary / name).replace(self.folder / name)
        return entry

    def sample(self, key: str) -> tuple[str, Mapping[str, bytes]]:
        """Generate one sample of the shard.

        An error of any kind becomes a ValueError that names shard and face and gives the record.
        """
        try:
            face = self.keys[key]
            return key, generate_sample(self.faces, self.occluders, key, self.params, face)
        except Exception as error:
            notes = "".join(f"; {note}" for note in getattr(error, "__notes__", []))
            raise ValueError(
                f"{shard_name(self.number)}: face {key} (seed [{stable_id(key)}, "
                f"{self.params.seed}]): {error}{notes}"
            ) from error


def generate_sample(
    faces: ImageSet,
    occluders: OccluderStore | TextureStore,
    key: str,
    params: GenerateParams,
    face_key: str | None = None,
) -> dict[str, bytes]:
    """Generate one sample of a set; it does not depend on the other samples.

    The key and the set's seed decide what is drawn; `face_key` is the face's, by default the same.
    Returns the parts `jpg`, `png` and `json`.
    """
    face_key = key if face_key is None else face_key
    face, seg_map = faces.sample(face_key)
    rng = sample_rng(key, params.seed)
    image, occluded, record = occlude(face, seg_map, occluders, rng, params)
    record |= {"face": face_key, "seed": params.seed, "jpeg_quality": params.jpeg_quality}
    return {
        "jpg": encode_jpeg(image, params.jpeg_quality),
        "png": encode_png(occluded),
        "json": encode_record(record),
    }


def generate_set(
    faces: ImageSet,
    occluders: ImageSet,
    out: Path,
    params: GenerateParams,
    workers: int = 0,
    executor: str = "process",
) -> ImageSet:
    """Generate a set: `params.variants` samples of each face, the first under the face's key.

    The bytes depend on faces, occluders and parameters, not on workers, order or machine load.

    Args:
        faces: Image set of faces with parts `jpg` and `png`.
        occluders: Image set of cut-outs (NatOcc) or textures (RandOcc).
        out: The new set; must not exist or be an empty folder.
        params: The method and its ranges.
        workers: Processes; 0 takes every core.
        executor: `process` or `ray`.

    Returns:
        The set, opened. If faces or occluders are absent, so is the set, with the reason.

    Raises:
        ValueError: If `out` is in use, or a sample fails, which is named; `out` is then not made.
    """
    out = Path(out)
    check_unused(out)
    info = describe(faces, occluders, out.name, params)
    for image_set in (faces, occluders):
        if image_set.absent is not None:
            reason = f"{image_set.info['name']} is absent: {image_set.absent}"
            return write_image_set(out, [], info=info | {"absent": reason})
    scratch = out.with_name(out.name + ".partial")
    scratch.mkdir(parents=True, exist_ok=True)
    folder = resume(scratch, fingerprint(faces, occluders, params))
    workers = workers or num_workers()
    store = open_store(occluders, params.method, scratch / "occluders.bin", workers)
    tasks = shard_tasks(folder, faces, store, params)
    entries = _finish_shards(folder, tasks, workers, executor)
    write_index(folder, entries, info | summarise(folder, entries))
    folder.replace(out)
    shutil.rmtree(scratch)
    return ImageSet(out)


def describe(
    faces: ImageSet, occluders: ImageSet, name: str, params: GenerateParams
) -> dict[str, Any]:
    """Return what a generated set says about itself; its later parameters only where they act."""
    chosen, neutral = dataclasses.asdict(params), [("variants", 1), ("second_prob", 0.0)]
    return {
        "kind": "synthetic",
        "name": name,
        **inherit(faces=faces, occluders=occluders),
        "faces": faces.info["name"],
        "occluders": occluders.info["name"],
        "params": {key: value for key, value in chosen.items() if (key, value) not in neutral},
    }


def fingerprint(faces: ImageSet, occluders: ImageSet, params: GenerateParams) -> str:
    """Return a text that changes with anything that could change a byte of the set.

    The code that counts is this module and all that it reaches by import, encoders included.
    """
    return json.dumps(
        {
            "faces": faces.sha256,
            "occluders": occluders.sha256,
            "params": dataclasses.asdict(params),
            "code": code_sha256(__name__),
            "versions": [np.__version__, cv2.__version__, simplejpeg.__version__],
        },
        indent=1,
        sort_keys=True,
    )


def resume(scratch: Path, wanted: str) -> Path:
    """Return the folder of finished shards; emptied if they were made from anything else."""
    folder, note = scratch / "set", scratch / "fingerprint.json"
    if not note.is_file() or note.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        atomic_write(note, wanted)
    folder.mkdir(exist_ok=True)
    return folder


def shard_tasks(
    folder: Path, faces: ImageSet, store: OccluderStore | TextureStore, params: GenerateParams
) -> list[ShardTask]:
    """Return the tasks that make a set in a folder, one for each shard."""
    samples = list(variant_keys(faces.keys, params.variants).items())
    size = params.samples_per_shard
    return [
        ShardTask(folder, number, dict(samples[start : start + size]), faces, store, params)
        for number, start in enumerate(range(0, len(samples), size))
    ]


def _finish_shards(
    folder: Path, tasks: list[ShardTask], workers: int, executor: str
) -> list[ShardEntry]:
    """Generate the shards that are missing; return the entries of all, in order."""
    paths = {task.number: folder / shard_name(task.number) for task in tasks}
    entries = {path.name: read_note(path) for path in paths.values() if path.is_file()}
    entries = {name: entry for name, entry in entries.items() if entry}
    missing = [task for task in tasks if paths[task.number].name not in entries]
    done = sum(len(entry["samples"]) for entry in entries.values())
    total = sum(len(task.keys) for task in tasks)
    with tqdm(total=total, initial=done, desc=folder.parent.stem, unit="image") as bar:
        for entry in run_tasks(missing, workers, executor):
            entries[entry["name"]] = entry
            bar.update(len(entry["samples"]))
    return [entries[path.name] for path in paths.values()]


def _note(folder: Path, name: str) -> Path:
    """Return where the index entry of a finished shard waits for the set's index."""
    return folder.with_name(f"{name}.json")


def read_note(path: Path) -> ShardEntry | None:
    """Return the index entry of a finished shard; None if the shard was changed since."""
    entry = read_json(_note(path.parent, path.name))
    if file_sha256(path) == entry["sha256"]:
        return cast(ShardEntry, entry)
    logging.warning("%s: was changed after it was written; it is generated again", path)
    return None


def summarise(folder: Path, entries: list[ShardEntry]) -> dict[str, Any]:
    """Summarise the records of a set: repeated placements, arms, seconds, covered share."""
    attempts, covered, arms = [], [], []
    for entry in entries:
        with (folder / entry["name"]).open("rb") as shard:
            for _, parts in entry["samples"]:
                offset, size = parts["json"]
                shard.seek(offset)
                record = json.loads(shard.read(size))
                covered.append(record["covered_frac"])
                for one in filter(None, (record, record.get("under"))):
                    attempts.append(one["attempts"])
                    arms.append(one["placement"].get("arm_drawn", False))
    quantiles = np.quantile(covered, [0, 0.05, 0.5, 0.95, 1])
    second = len(attempts) - len(covered)
    return {
        "redrawn": sum(number > 1 for number in attempts),
        "attempts": sum(attempts),
        "most_attempts": max(attempts),
        "arms_drawn": sum(arms),
        "covered_frac": dict(zip(("min", "p05", "median", "p95", "max"), quantiles, strict=True)),
        **({"second_occluders": second} if second else {}),
    }
