"""Sample a few images of every release, in archives named and laid out as the public ones."""

import json
import re
from pathlib import Path

import numpy as np
from tqdm import tqdm

from face_occlusion.core.files import atomic_folder
from face_occlusion.core.release import RELEASE, Release
from face_occlusion.faces.celebamask_hq import SUBSET_LISTS
from face_occlusion.miniature.archives import write_7z, write_tar_gz, write_zip
from face_occlusion.occluders.hands import SAMPLE_LIST
from face_occlusion.releases.archives import archive_kind, archive_stem

WRITERS = {"zip": write_zip, "7z": write_7z, "tar": write_tar_gz}
_LISTS = (SAMPLE_LIST, *(name for name, _ in SUBSET_LISTS.values()))
_IMAGES = (".jpg", ".jpeg", ".png", ".bmp")
_FACE = re.compile(r"0*(\d+)(_[a-z_]+)?")  # 24.jpg, 00024_l_eye.png
_LEAST_FRAC = 0.008  # share of one of COCO's photographs that an object takes at least: 50x50 px


def sample_releases(
    raw: Path, out: Path, *, num_faces: int, num_others: int, seed: int
) -> dict[str, int]:
    """Write samples of the releases below `raw`, as `download.archives_dir` expects them.

    Images and masks keep their bytes and names; lists, and COCO's annotations, keep the entries of
    the images sampled. The same call writes the same bytes. `num_faces` are unoccluded training
    faces of CelebAMask-HQ, `num_others` the images of everything else, each kind on its own.

    Returns the number of images taken of each source; sources that cannot be sampled are left out.
    No release, and `out` in use are a ValueError.
    """
    releases = [Release(path.parent) for path in sorted(raw.glob(f"*/{RELEASE}"))]
    releases = [one for one in releases if not one.absent and one.source in _IDS]
    if not releases:
        raise ValueError(f"{raw}: holds no release; `dvc repro download` writes them")
    taken = {}
    with atomic_folder(out) as partial:
        for release in tqdm(releases, desc="sample", unit="release"):
            chosen: set[str] = set()
            for group, ids in _IDS[release.source](release).items():
                rng = np.random.default_rng([*release.source.encode(), *group.encode(), seed])
                most = num_faces if group == SUBSET_LISTS["wo"][0] else num_others
                chosen |= set(rng.permutation(ids)[:most].tolist())
            known = {_id_of(name) for name in release.names if name.endswith(_IMAGES)}
            for entry in release.info["files"]:
                _sample_file(release, entry["name"], known, chosen, partial)
            taken[release.source] = len(chosen)
    return taken


def _listed(release: Release) -> dict[str, list[str]]:
    """Return the images that each list of a release names."""
    names = [name for name in _LISTS if release.glob(name)]
    return {name: sorted(map(_id_of, release.lines(name))) for name in names}


def _photographs(release: Release) -> dict[str, list[str]]:
    return {"": sorted({_id_of(name) for name in release.names if name.endswith(_IMAGES)})}


def _photographs_of_objects(release: Release) -> dict[str, list[str]]:
    """Return COCO's photographs with a large instance that is no person."""
    if not release.glob("*instances_train*.json"):
        return _photographs(release)
    dataset = json.loads(release.read(release.find("*instances_train*.json")))
    people = {one["id"] for one in dataset["categories"] if one["name"] == "person"}
    area = {image["id"]: image["height"] * image["width"] for image in dataset["images"]}
    shown = {
        one["image_id"]
        for one in dataset["annotations"]
        if one["category_id"] not in people and not one.get("iscrowd")
        if one["area"] >= _LEAST_FRAC * area[one["image_id"]]
    }
    return {"": [_id_of(one["file_name"]) for one in dataset["images"] if one["id"] in shown]}


_IDS = {  # of each source, the function that returns its images in groups
    **dict.fromkeys(("celebamask_hq", "hands_11k"), _listed),
    "coco": _photographs_of_objects,
    **dict.fromkeys(("dtd", "realocc", "realocc_wild", "hgr1"), _photographs),
}


def _id_of(name: str) -> str:
    """Return what the files of one image have in common: stem, or a face's number."""
    stem = re.sub(r"\.[a-z]+$", "", name.rpartition("/")[2])
    face = _FACE.fullmatch(stem)
    return face[1] if face else stem


def _sample_file(release: Release, name: str, known: set[str], chosen: set[str], out: Path) -> None:
    """Write a file of a release, an archive or a loose one, as far as it is of chosen images."""
    kind = archive_kind(name)
    if kind is None:
        (out / name).write_bytes(_fewer(release.read(name), name, known, chosen))
        return
    prefix = f"{archive_stem(name)}/"
    members = (
        (member.removeprefix(prefix), _fewer(release.read(member), member, known, chosen))
        for member in release.names
        if member.startswith(prefix)
        if not member.endswith(_IMAGES) or _id_of(member) in chosen
    )
    WRITERS[kind](out / name, members)


def _fewer(data: bytes, name: str, known: set[str], chosen: set[str]) -> bytes:
    """Drop from a list of images, and from COCO's annotations, what is not of chosen ones."""
    if name.endswith(".txt"):
        lines = data.decode(errors="replace").split()
        if lines and known.issuperset(map(_id_of, lines)):
            return "".join(f"{line}\n" for line in lines if _id_of(line) in chosen).encode()
    elif re.search(r"instances_train.*\.json$", name):
        dataset = json.loads(data)
        dataset["images"] = [i for i in dataset["images"] if _id_of(i["file_name"]) in chosen]
        kept = {image["id"] for image in dataset["images"]}
        dataset["annotations"] = [a for a in dataset["annotations"] if a["image_id"] in kept]
        return json.dumps(dataset).encode()
    return data
