"""Which samples of which image sets a network is trained on: the rows of the paper's Table 3.

A combination is written once (`data/combinations/NAME.json`) and read by every run that trains on
it. It names each set by its path and hash and each sample by its key, so that a set that changes
makes the runs that read it out of date, and no others.
"""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from face_occlusion.core.files import atomic_write, errors_name, read_json
from face_occlusion.core.imageset import ImageSet
from face_occlusion.core.imageset.format import variant_keys
from face_occlusion.core.params import FILLED, Checked, Share

FACES = "faces/wo"  # the unoccluded faces, which the generated sets are made from

# Table 3: photographs and generated images of each combination.
PAPER_COUNTS = {
    "c_original": (29200, 0),
    "c_cm": (29200, 0),
    "c_wo": (24602, 0),
    "c_wo_natocc": (24602, 49204),
    "c_wo_natocc_sot": (24602, 49204),
    "c_wo_randocc": (24602, 49204),
    "c_wo_mix": (24602, 73806),
    "c_cm_natocc": (29200, 49204),
    "c_cm_natocc_sot": (29200, 49204),
}


@dataclass(frozen=True, kw_only=True)
class CombinationParams(Checked):
    """An entry of section `combinations` of params.yaml."""

    title: str  # as the paper's tables print it
    masks: Literal["corrected", "original"]  # of the photographs
    data: Annotated[Sequence[str], FILLED]  # image sets below the data folder
    # Entries of section `generate`, beyond the paper: while a network is trained, this share of the
    # unoccluded faces is occluded, each time anew, as one of these sets is.
    online: Sequence[str] = ()
    share: Share = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.online) != (self.share > 0) or (self.online and FACES not in self.data):
            raise ValueError(
                f"online (sets whose occluders are used) and share (of the faces that get one) go "
                f"together, and need {FACES} in data; got {list(self.online)} and {self.share}"
            )
        if len(set(self.data)) < len(self.data):
            raise ValueError(f"data: must name image sets, each once; got {list(self.data)}")


@dataclass(frozen=True, kw_only=True)
class OnlineSet:
    """A set whose samples are made while a network is trained on them."""

    name: str  # its entry of section `generate`
    params: dict[str, Any]  # that entry's values
    occluders: str  # path of its occluders' image set below the data folder
    sha256: str  # that set's hash


@dataclass(frozen=True, kw_only=True)
class Online:
    """Everything that decides how faces are occluded while training."""

    sets: Sequence[OnlineSet]  # what an occluded face is a sample of, each as often as the others
    share: float  # of the unoccluded faces that are occluded
    code: str  # hash of the code that occludes


@dataclass(frozen=True, kw_only=True)
class Part:
    """The samples that a combination takes from one image set."""

    image_set: str  # path of the set below the data folder
    sha256: str  # the set's hash, `ImageSet.sha256`
    mask: str  # part of each sample that holds its class ids: `png`, or `original.png`
    keys: Sequence[str]  # the samples, in the order of training


@dataclass(frozen=True, kw_only=True)
class Combination:
    """The training samples of one row of Table 3."""

    name: str  # its key in params.yaml
    title: str  # its name in the paper's tables
    masks: str  # which masks the photographs have, `corrected` or `original`
    parts: Sequence[Part]  # its image sets
    absent: str | None = None  # why nothing can be trained on it; None if it is complete
    online: Online | None = None  # how unoccluded faces are occluded while training, if at all

    @property
    def counts(self) -> tuple[int, int]:
        """Number of photographs and of generated images."""
        sizes = [(part.image_set.startswith("faces/"), len(part.keys)) for part in self.parts]
        photographs = sum(size for is_photograph, size in sizes if is_photograph)
        return photographs, sum(size for _, size in sizes) - photographs

    @property
    def description(self) -> dict[str, Any]:
        """Title, masks and the paths of the image sets, as a run's card holds them."""
        data = [part.image_set for part in self.parts]
        online = {"online": [one.name for one in self.online.sets]} if self.online else {}
        return {"title": self.title, "masks": self.masks, "data": data} | online


def combine(name: str, params: CombinationParams, data: Path) -> Combination:
    """List the samples of a combination, and check that its sets in the folder `data` fit together.

    A set that is missing, a sample that lacks its image or its mask, and a generated set that does
    not hold its variants of each unoccluded face are a ValueError.
    """
    parts, absent = [], None
    faces = ImageSet(data / FACES)
    for entry in params.data:
        image_set = ImageSet(data / entry)
        kind = image_set.info.get("kind")
        mask = "original.png" if params.masks == "original" and kind == "faces" else "png"
        if not len(image_set):
            absent = f"{image_set.folder}: {image_set.absent or 'the set has no samples'}"
        elif kind == "synthetic":
            variants = image_set.info.get("params", {}).get("variants", 1)
            if set(image_set.keys) != set(variant_keys(faces.keys, variants)):
                raise ValueError(
                    f"{image_set.folder}: must hold {variants} sample(s) per face of "
                    f"{faces.folder} ({len(faces)}); got {len(image_set)}: generate the set again"
                )
        for key in image_set.keys:
            if missing := sorted({"jpg", mask} - set(image_set.parts(key))):
                names = ", ".join(missing)
                raise ValueError(f"{image_set.folder}: sample {key} has no part {names}")
        parts.append(Part(image_set=entry, sha256=image_set.sha256, mask=mask, keys=image_set.keys))
    title, masks = params.title, params.masks
    return Combination(name=name, title=title, masks=masks, parts=parts, absent=absent)


def difference_from_paper(combination: Combination, *, same_faces: bool) -> str | None:
    """Say what differs between a combination's counts and Table 3 of the paper.

    `same_faces` says whether it is made from the paper's own photographs, so that their number too
    must be the paper's. None if nothing differs, or the paper has no such combination.
    """
    if combination.absent or combination.name not in PAPER_COUNTS:
        return None
    photographs, generated = combination.counts
    paper_photographs, paper_generated = PAPER_COUNTS[combination.name]
    if same_faces and (photographs, generated) != (paper_photographs, paper_generated):
        return (
            f"{photographs} photographs and {generated} generated images; the paper has "
            f"{paper_photographs} and {paper_generated}"
        )
    faces = sum(len(part.keys) for part in combination.parts if part.image_set == FACES)
    paper_faces = PAPER_COUNTS["c_wo"][0]
    if faces and generated * paper_faces != paper_generated * faces:
        return (
            f"{generated / faces:g} generated images per unoccluded face; the paper has "
            f"{paper_generated / paper_faces:g}"
        )
    return None


def write_combination(path: Path, combination: Combination) -> None:
    """Write a combination as JSON, with its counts and the paper's."""
    names = ("photographs", "generated")
    counts: dict[str, Any] = dict(zip(names, combination.counts, strict=True))
    paper = PAPER_COUNTS.get(combination.name)
    counts["paper"] = paper and dict(zip(names, paper, strict=True))
    content = {"counts": counts, **dataclasses.asdict(combination)}
    if combination.online is None:
        del content["online"]
    atomic_write(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def read_combination(path: Path) -> Combination:
    """Read a combination; one that is missing, damaged or miscounts its samples is a ValueError."""
    content = read_json(path, absent="no such file; run `dvc repro combine`")
    wrong = (KeyError, TypeError, msgspec.ValidationError)
    with errors_name(f"{path}: not a combination; run `dvc repro combine`", *wrong):
        counts = content["counts"]
        combination = msgspec.convert(content, Combination)
        found = counts["photographs"], counts["generated"]
    if found != combination.counts:
        raise ValueError(
            f"{path}: lists {combination.counts} (photographs, generated images), but its `counts` "
            f"say {found}: the file was changed after it was written; run `dvc repro combine`"
        )
    return combination


@dataclass(frozen=True)
class OpenPart:
    """The samples that a combination takes from one image set, open for reading."""

    entry: str  # path of the set below the data folder (`faces/wo`)
    images: ImageSet
    mask: str  # the part that holds the seg_map: `png`, or `original.png`
    keys: Sequence[str]


def open_parts(combination: Combination, data: Path) -> list[OpenPart]:
    """Open a combination's image sets in the folder `data`.

    ValueError if the combination is incomplete, or a set is missing or not the one listed.
    """
    if combination.absent is not None:
        raise ValueError(f"{combination.title}: cannot be trained on: {combination.absent}")
    parts = []
    for part in combination.parts:
        images = ImageSet(data / part.image_set)
        if images.sha256 != part.sha256:
            raise ValueError(
                f"{images.folder}: is not the set that {combination.title} lists; run "
                "`dvc repro combine`"
            )
        parts.append(OpenPart(part.image_set, images, part.mask, part.keys))
    return parts
