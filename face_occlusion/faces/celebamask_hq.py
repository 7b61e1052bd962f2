"""Read a release of CelebAMask-HQ: photographs, lists, identities, part layers, corrected masks."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from face_occlusion.core.classes import FACE
from face_occlusion.core.files import errors_name
from face_occlusion.core.release import Release

FACE_PARTS = ("skin", "l_brow", "r_brow", "l_eye", "r_eye", "nose", "mouth", "u_lip", "l_lip")
OTHER_PARTS = ("eye_g", "neck", "neck_l", "hair", "hat", "l_ear", "r_ear", "ear_r", "cloth")

# subset -> file name of its list in the release, and the count the paper prints (Table 2)
SUBSET_LISTS = {
    "wo": ("CelebAMask-HQ-WO-train.txt", 24_603),
    "wo_test": ("CelebAMask-HQ-WO-test.txt", 716),
    "o": ("CelebAMask-HQ-O.txt", 4_597),
}
PAPER_EXCLUDED = 86
MAPPING = "CelebA-HQ-to-CelebA-mapping.txt"
IDENTITIES = "identity_CelebA.txt"
_PART_NAME = re.compile(r"/(\d+)_([a-z_]+)\.png$")


def face_key(number: int) -> str:
    """Return the key of a face in image sets: its CelebAMask-HQ number in five digits."""
    return f"{number:05d}"


def list_images(release: Release) -> dict[int, str]:
    """Map the number of each photograph of CelebAMask-HQ to its name; none is a ValueError."""
    stems = release.by_stem("*/CelebA-HQ-img/*.jpg", "*/CelebA-HQ-img/*.png")
    return by_number(release, stems)


def by_number(
    release: Release, stems: Mapping[str, str], pattern: str = r"(\d+)"
) -> dict[int, str]:
    """Map the number in each file's stem, the group of a pattern, to the file's name.

    `stems` are of `Release.by_stem`. A file without a number, or two of one number, is a
    ValueError.
    """
    numbers: dict[int, str] = {}
    for stem, name in stems.items():
        if (match := re.fullmatch(pattern, stem)) is None:
            raise ValueError(f"{release.folder}: '{name}' must be named by a number, like 24.jpg")
        if (other := numbers.setdefault(int(match[1]), name)) != name:
            raise ValueError(f"{release.folder}: '{other}' and '{name}' have the same number")
    return numbers


def find_corrected(release: Release, numbers: Iterable[int]) -> dict[int, str]:
    """Map each face's number to the name of its corrected mask; ValueError if it has none."""
    found = by_number(release, release.by_stem("CelebAMask-HQ-masks_corrected/*.png"))
    for number in numbers:
        if number not in found:
            raise ValueError(
                f"{release.folder}: no corrected mask of face {number}; expected "
                f"{number}.png in CelebAMask-HQ-masks_corrected.7z"
            )
    return {number: found[number] for number in numbers}


def find_layers(release: Release, numbers: Iterable[int]) -> dict[int, dict[str, str]]:
    """Map each face's number to its part layers: `skin`, `l_eye`, ... -> name of the mask.

    A face without a layer `skin`, or a name that cannot be read, is a ValueError.
    """
    found: dict[int, dict[str, str]] = {}
    for name in release.glob("*/CelebAMask-HQ-mask-anno/*.png"):
        if (match := _PART_NAME.search(name)) is None:
            raise ValueError(f"{release.folder}: '{name}' is not named like 00024_skin.png")
        found.setdefault(int(match[1]), {})[match[2]] = name
    for number in numbers:
        if "skin" not in found.get(number, {}):
            raise ValueError(
                f"{release.folder}: face {number} has no skin layer; expected "
                f"{number:05d}_skin.png in CelebAMask-HQ.zip"
            )
    return {number: found[number] for number in numbers}


def read_corrected(release: Release, name: str, size: tuple[int, int], what: str) -> np.ndarray:
    """Read a corrected mask of the release, at its own size: (h, w) uint8 class ids.

    `size` is the (height, width) of something of the same face, which errors call `what`; a mask
    that cannot be read or has another aspect is a ValueError that names it.
    """
    seg_map = release.seg_map(name)
    check_aspect(name, seg_map.shape, size, what)
    return seg_map


def check_aspect(name: str, shape: tuple[int, ...], size: tuple[int, int], what: str) -> None:
    """Refuse a mask of another aspect; masks of the release have half the photographs' side."""
    if size[0] * shape[1] != size[1] * shape[0]:
        raise ValueError(
            f"{name}: a mask of {shape[0]}x{shape[1]} pixels, while {what} has "
            f"{size[0]}x{size[1]}; expected the same aspect"
        )


def read_original(release: Release, number: int, layers: Mapping[str, str]) -> np.ndarray:
    """Build the mask of a face, (h, w) uint8 class ids, from its part layers of `find_layers`."""
    masks = {part: release.seg_map(name) == FACE for part, name in layers.items()}
    with errors_name(f"{release.folder}: face {number}"):
        return original_seg_map(masks)


def original_seg_map(parts: Mapping[str, np.ndarray]) -> np.ndarray:
    """Build the "original" mask from a face's part layers: (H, W) uint8 class ids, 0 or 1.

    The union of skin, eyes, brows, nose, mouth and lips, less glasses, neck, necklace, hair,
    hat, ears, earrings and cloth (the paper's section 3.1: skin minus sunglasses, neck and
    "head"; these layers are the release's names for it). Layers are (H, W) bool by name; those
    that a face lacks are left out. A missing `skin`, an unknown layer, or sizes that differ are a
    ValueError.
    """
    if "skin" not in parts:
        raise ValueError(f"no layer 'skin'; got {sorted(parts)}")
    if unknown := sorted(parts.keys() - {*FACE_PARTS, *OTHER_PARTS}):
        raise ValueError(f"unknown layers {unknown}; known: {sorted(FACE_PARTS + OTHER_PARTS)}")
    if len({mask.shape for mask in parts.values()}) > 1:
        sizes = {name: mask.shape for name, mask in parts.items()}
        raise ValueError(f"the layers must all have the same size; got {sizes}")
    face = np.logical_or.reduce([parts[name] for name in FACE_PARTS if name in parts])
    for name in OTHER_PARTS:
        if name in parts:
            face &= ~parts[name]
    return face.astype(np.uint8)


@dataclass(frozen=True, kw_only=True)
class Subsets:
    """The lists of CelebAMask-HQ, checked."""

    numbers: dict[str, list[int]]  # subset -> face numbers, ascending
    counts: dict[str, int]  # of Table 2: each subset, `excluded` (in no list) and `images`
    identity_check: str  # what was checked about identities, in words

    @property
    def subset_of(self) -> dict[int, str]:
        """Map each listed face's number to its subset."""
        return {number: subset for subset, members in self.numbers.items() for number in members}

    def info(self) -> dict[str, object]:
        """Return what an image set's info says of the lists."""
        paper = {name: count for name, (_, count) in SUBSET_LISTS.items()}
        return {
            "counts": self.counts,
            "paper_counts": {**paper, "excluded": PAPER_EXCLUDED},
            "identity_check": self.identity_check,
        }


def read_subsets(release: Release, faces: Mapping[int, str]) -> Subsets:
    """Read and check the lists of a CelebAMask-HQ release with images of these numbers.

    A list that is missing, empty, or names a face that is not there, or is in a list twice or in
    two lists, is a ValueError, and so is an identity that WO test shares with WO train.
    """
    numbers: dict[str, list[int]] = {}
    listed: dict[int, str] = {}
    for subset, (name, _) in SUBSET_LISTS.items():
        numbers[subset] = _read_list(release, name, faces)
        if both := sorted(listed.keys() & set(numbers[subset])):
            raise ValueError(
                f"{release.folder / name}: face {both[0]}.jpg is also in {listed[both[0]]}; "
                "each face belongs in one list"
            )
        listed |= dict.fromkeys(numbers[subset], name)
    counts = {subset: len(members) for subset, members in numbers.items()}
    counts |= {"excluded": len(faces) - len(listed), "images": len(faces)}
    checked = check_identities(release, numbers)
    return Subsets(numbers=numbers, counts=counts, identity_check=checked)


def _read_list(release: Release, name: str, faces: Mapping[int, str]) -> list[int]:
    numbers: set[int] = set()
    for line in release.lines(name):
        stem = line.rpartition("/")[2].partition(".")[0]
        if not stem.isdecimal():
            raise ValueError(f"{release.folder / name}: '{line}' is not an image name like 24.jpg")
        number = int(stem)
        if number not in faces:
            raise ValueError(
                f"{release.folder / name}: names face '{line}', which is not among the "
                f"{len(faces)} images of the release"
            )
        if number in numbers:
            raise ValueError(f"{release.folder / name}: names face '{line}' twice")
        numbers.add(number)
    if not numbers:
        raise ValueError(f"{release.folder / name}: the list is empty; expected names like 24.jpg")
    return sorted(numbers)


def read_identities(release: Release) -> dict[int, str]:
    """Map faces' numbers to CelebA's identities; empty where one of the two files is missing."""
    mapping, identities = release.glob(f"*{MAPPING}"), release.glob(f"*{IDENTITIES}")
    if not mapping or not identities:
        return {}
    person_of_file = dict(line.split()[:2] for line in release.lines(identities[0]))
    return {
        int(fields[0]): person_of_file[fields[2]]
        for fields in map(str.split, release.lines(mapping[0]))
        if fields[0].isdecimal() and fields[2] in person_of_file
    }


def check_identities(release: Release, numbers: Mapping[str, list[int]]) -> str:
    """Check that no person is in both WO train and WO test (the paper: 80 separate identities).

    Needs two files: the release's map of its images to CelebA's, and CelebA's identities. Returns
    what was checked, or which file is missing for it. A listed face without identity is an error.
    """
    missing = [name for name in (MAPPING, IDENTITIES) if not release.glob(f"*{name}")]
    if missing:
        return f"not checked: no {' and '.join(missing)}"
    known = read_identities(release)
    for number in (*numbers["wo"], *numbers["wo_test"]):
        if number not in known:
            names = f"{MAPPING} and {IDENTITIES}"
            raise ValueError(f"{release.folder}: face {number} has no identity by {names}")
    train, test = ({known[n]: n for n in numbers[subset]} for subset in ("wo", "wo_test"))
    if both := sorted(train.keys() & test.keys()):
        person = both[0]
        raise ValueError(
            f"{release.folder / SUBSET_LISTS['wo_test'][0]}: {len(both)} identities are also in "
            f"WO train; identity {person} is {test[person]}.jpg here and {train[person]}.jpg there"
        )
    return f"checked: {len(test)} identities of WO test, none in WO train"
