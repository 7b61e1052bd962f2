"""The releases this project reads: their files, where each is published, its licence.

Names are those of the public releases. Few checksums are public; `release.json` records the
one of every file that was used, and whether it is the one known here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

AUTHORS_DRIVE = "https://drive.google.com/drive/folders/15nZETWlGMdcKY6aHbchRsWkUI42KTNs5"


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """One published file.

    Attributes:
        name: Its published name.
        page: Where it is published: a link for a person, who may have to agree to terms.
        required: Whether the source is of no use without it.
        sha256: Its checksum where one is known (read off one download, not the publisher's
            word), else None. Other files of that name are used too, and said to differ.
    """

    name: str
    page: str
    required: bool = True
    sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class Source:
    """A release: its files and the terms it comes under."""

    name: str
    title: str
    files: tuple[SourceFile, ...]
    licence: str

    def file(self, name: str) -> SourceFile:
        """Return a file of the release by its published name.

        Raises:
            ValueError: If the release has no such file; names those it has.
        """
        for file in self.files:
            if file.name == name:
                return file
        known = ", ".join(file.name for file in self.files)
        raise ValueError(f"files: '{name}' is no file of source '{self.name}'; known: {known}")


_CELEBAMASK_PAGE = "https://github.com/switchablenorms/CelebAMask-HQ"
_HANDS_PAGE = "https://sites.google.com/view/11khands"
_COCO_PAGE = "https://cocodataset.org/#download"

SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        Source(
            name="celebamask_hq",
            title="CelebAMask-HQ with corrected masks",
            licence="non-commercial research and education only, no redistribution",
            files=(
                SourceFile(name="CelebAMask-HQ.zip", page=_CELEBAMASK_PAGE),
                SourceFile(name="CelebAMask-HQ-masks_corrected.7z", page=AUTHORS_DRIVE),
                SourceFile(name="CelebAMask-HQ-WO-train.txt", page=AUTHORS_DRIVE),
                SourceFile(name="CelebAMask-HQ-WO-test.txt", page=AUTHORS_DRIVE),
                SourceFile(name="CelebAMask-HQ-O.txt", page=AUTHORS_DRIVE),
                SourceFile(
                    name="identity_CelebA.txt",
                    page="https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
                    required=False,
                ),
            ),
        ),
        Source(
            name="hands_11k",
            title="11k Hands, 200 hands with masks",
            licence="academic research only, no redistribution",
            files=(
                SourceFile(name="Hands.zip", page=_HANDS_PAGE),
                SourceFile(name="HandInfo.csv", page=_HANDS_PAGE, required=False),
                SourceFile(name="11k-hands_masks.7z", page=AUTHORS_DRIVE),
                SourceFile(name="11k-hands_sample.txt", page=AUTHORS_DRIVE),
            ),
        ),
        Source(
            name="coco",
            title="COCO objects",
            licence="annotations CC BY 4.0; photographs under their Flickr licences",
            files=(
                SourceFile(name="coco_object.7z", page=AUTHORS_DRIVE, required=False),
                SourceFile(name="train2017.zip", page=_COCO_PAGE, required=False),
                SourceFile(name="annotations_trainval2017.zip", page=_COCO_PAGE, required=False),
            ),
        ),
        Source(
            name="dtd",
            title="Describable Textures Dataset",
            licence="research purposes",
            files=(
                SourceFile(
                    name="dtd-r1.0.1.tar.gz",
                    page="https://www.robots.ox.ac.uk/~vgg/data/dtd/",
                ),
            ),
        ),
        Source(
            name="realocc",
            title="RealOcc",
            licence="non-commercial research; photographs under the Pexels and Unsplash licences",
            files=(
                SourceFile(
                    name="RealOcc.7z",
                    page=AUTHORS_DRIVE,
                    sha256="de6a26ecc00457c0067991d95906b15638a2f217c5b5ea01a5db42435510577f",
                ),
            ),
        ),
        Source(
            name="realocc_wild",
            title="RealOcc-Wild",
            licence="non-commercial research; photographs under the Pexels and Unsplash licences",
            files=(SourceFile(name="RealOcc-Wild.7z", page=AUTHORS_DRIVE),),
        ),
        Source(
            name="cofw",
            title="Caltech Occluded Faces in the Wild, train masks",
            licence="academic research",
            files=(
                SourceFile(
                    name="COFW_color.zip", page="http://www.vision.caltech.edu/xpburgos/ICCV13/"
                ),
                SourceFile(
                    name="COFW_train_masks.zip",
                    page="the 500 masks of Jia, Yang, Chan and Patras (CVPR 2014), on request; "
                    "the paper's changed ones are not public",
                ),
            ),
        ),
    )
}


def find_source(name: str) -> Source:
    """Return a source by name.

    Raises:
        ValueError: If there is none of that name; lists those there are.
    """
    if name not in SOURCES:
        raise ValueError(f"source: no source '{name}'; known: {', '.join(SOURCES)}")
    return SOURCES[name]


def match_published(name: str, found: Iterable[str]) -> str | None:
    """Find a published file among names on disk.

    The exact name wins; otherwise case, "-" and "_" and blanks do not matter, because lists and
    archives are republished under names such as `CelebAMask-HQ-WO-Train.txt`.

    Returns:
        The one name that matches, or None.

    Raises:
        ValueError: If several names match and none exactly.
    """
    names = sorted(found)
    if name in names:
        return name
    like = [other for other in names if _plain(other) == _plain(name)]
    if len(like) > 1:
        raise ValueError(f"{name}: several files could be this one: {', '.join(like)}; keep one")
    return like[0] if like else None


def _plain(name: str) -> str:
    return re.sub(r"[-_ ]+", "", name).lower()
