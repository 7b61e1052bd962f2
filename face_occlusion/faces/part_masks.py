"""Face masks of CelebAMask-HQ: the two definitions, and the subsets they are listed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from face_occlusion.core.release import Release

FACE_PARTS = ("skin", "l_brow", "r_brow", "l_eye", "r_eye", "nose", "mouth", "u_lip", "l_lip")
OTHER_PARTS = ("eye_g", "neck", "neck_l", "hair", "hat", "l_ear", "r_ear", "ear_r", "cloth")

# subset -> pattern of its list in the release, and the count the paper prints (Table 2)
SUBSET_LISTS = {
    "wo": ("CelebAMask-HQ-WO-train.txt", 24_603),
    "wo_test": ("CelebAMask-HQ-WO-test.txt", 716),
    "o": ("CelebAMask-HQ-O.txt", 4_597),
}
PAPER_EXCLUDED = 86
MAPPING = "CelebA-HQ-to-CelebA-mapping.txt"
IDENTITIES = "identity_CelebA.txt"


def original_seg_map(parts: Mapping[str, np.ndarray]) -> np.ndarray:
    """Build the "original" mask from a face's part layers.

    The union of skin, eyes, brows, nose, mouth and lips, less glasses, neck, necklace, hair,
    hat, ears, earrings and cloth (the paper's section 3.1: skin minus sunglasses, neck and
    "head"; these layers are the release's names for it).

    Args:
        parts: Layer name -> (H, W) bool, all of one size; layers that a face lacks are left
            out, `skin` is needed.

    Returns:
        (H, W) uint8 class ids, 0 or 1.

    Raises:
        ValueError: If `skin` is missing, a layer is unknown, or sizes differ.
    """
    if "skin" not in parts:
        raise ValueError(f"no layer 'skin'; got {sorted(parts)}")
    if unknown := sorted(parts.keys() - {*FACE_PARTS, *OTHER_PARTS}):
        raise ValueError(f"unknown layers {unknown}; known: {sorted(FACE_PARTS + OTHER_PARTS)}")
    if len({mask.shape for mask in parts.values()}) > 1:
        sizes = {name: mask.shape for name, mask in parts.items()}
        raise ValueError(f"layers of one size expected; got {sizes}")
    face = np.zeros(parts["skin"].shape, dtype=bool)
    for name in FACE_PARTS:
        if name in parts:
            face |= parts[name]
    for name in OTHER_PARTS:
        if name in parts:
            face &= ~parts[name]
    return face.astype(np.uint8)


@dataclass(frozen=True, kw_only=True)
class Subsets:
    """The lists of CelebAMask-HQ, checked.

    Attributes:
        numbers: Subset -> face numbers, ascending.
        counts: What Table 2 counts: each subset, `excluded` (in no list) and `images`.
        identity_check: What was checked about identities, in words.
    """

    numbers: dict[str, list[int]]
    counts: dict[str, int]
    identity_check: str

    def info(self) -> dict[str, object]:
        """Return what an image set's info says of the lists."""
        paper = {name: count for name, (_, count) in SUBSET_LISTS.items()}
        return {
            "counts": self.counts,
            "paper_counts": {**paper, "excluded": PAPER_EXCLUDED},
            "identity_check": self.identity_check,
        }


def read_subsets(release: Release, faces: Mapping[int, str]) -> Subsets:
    """Read and check the lists of a CelebAMask-HQ release.

    Args:
        release: The release.
        faces: Number -> file name of the images that are there.

    Raises:
        ValueError: If a list is missing, empty or names a face that is not there or stands in
            a list twice or in two lists, or if WO test shares an identity with WO train.
    """
    numbers = {
        subset: _read_list(release, name, faces) for subset, (name, _) in SUBSET_LISTS.items()
    }
    listed: dict[int, str] = {}
    for subset, members in numbers.items():
        name = SUBSET_LISTS[subset][0]
        for number in members:
            if number in listed:
                raise ValueError(
                    f"{release.folder / name}: face {number}.jpg is also in {listed[number]}; "
                    "each face belongs in one list"
                )
            listed[number] = name
    counts = {subset: len(members) for subset, members in numbers.items()}
    counts["excluded"] = len(faces) - len(listed)
    counts["images"] = len(faces)
    return Subsets(
        numbers=numbers, counts=counts, identity_check=check_identities(release, numbers)
    )


def _read_list(release: Release, name: str, faces: Mapping[int, str]) -> list[int]:
    numbers: set[int] = set()
    for line in release.lines(name):
        stem = line.rpartition("/")[2].partition(".")[0]
        if not stem.isdecimal():
            raise ValueError(f"{release.folder / name}: '{line}' is no image name like 24.jpg")
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
        raise ValueError(f"{release.folder / name}: an empty list; expected names like 24.jpg")
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
    """Check that no person is in both WO train and WO test (the paper: 80 identities apart).

    Needs two files: the release's map of its images to CelebA's, and CelebA's identities.

    Returns:
        What was checked, or which file it would have needed.

    Raises:
        ValueError: If an identity is in both, or a listed face has none.
    """
    mapping, identities = release.glob(f"*{MAPPING}"), release.glob(f"*{IDENTITIES}")
    if not mapping or not identities:
        missing = " and ".join(
            name for name, found in ((MAPPING, mapping), (IDENTITIES, identities)) if not found
        )
        return f"not checked: no {missing}"
    known = read_identities(release)
    people: dict[str, dict[str, int]] = {}
    for subset in ("wo", "wo_test"):
        people[subset] = {}
        for number in numbers[subset]:
            person = known.get(number)
            if person is None:
                raise ValueError(
                    f"{release.folder / mapping[0]}: face {number} has no identity there "
                    f"or in {identities[0]}"
                )
            people[subset][person] = number
    if both := sorted(people["wo"].keys() & people["wo_test"].keys()):
        person = both[0]
        raise ValueError(
            f"{release.folder / SUBSET_LISTS['wo_test'][0]}: {len(both)} identities are also in "
            f"WO train; identity {person} is {people['wo_test'][person]}.jpg here and "
            f"{people['wo'][person]}.jpg there"
        )
    return f"checked: {len(people['wo_test'])} identities of WO test, none in WO train"
