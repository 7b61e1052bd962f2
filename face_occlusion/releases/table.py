"""The releases this project reads: their files, where each is published, its licence.

Names are those of the public releases. Where no checksum is public, the first one seen is kept in
`sources.lock` (`releases/lock.py`) and demanded from then on.

No address has been downloaded from with this code yet; `seen` says what vouches for each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

AUTHORS_DRIVE = "https://drive.google.com/drive/folders/15nZETWlGMdcKY6aHbchRsWkUI42KTNs5"
_DRIVE_FILE = "https://drive.google.com/file/d/"


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """One published file.

    Attributes:
        name: Its published name.
        page: Where it is published: a link for a person, who may have to agree to terms.
        urls: Addresses it can be fetched from, tried in turn: HTTP(S), a file on Google Drive, or
            a folder there that holds a file of that name. None: it must be fetched by hand.
        seen: What vouches for the addresses and the checksum.
        required: Whether the source is of no use without it.
        size: Its bytes, where known.
        sha256: Its checksum where one is known, else None. A file of another size or checksum is
            refused, unless `sources.NAME.accept_changed` says otherwise.
    """

    name: str
    page: str
    urls: tuple[str, ...] = ()
    seen: str = ""
    required: bool = True
    size: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class Source:
    """A release: its files and the terms it comes under.

    Attributes:
        name: Key of `sources` in params.yaml.
        title: Its name for people.
        files: What is published.
        licence: Its terms, in a few words.
        terms_url: Where they are stated.
        citation: Whom whoever uses it is to cite.
    """

    name: str
    title: str
    files: tuple[SourceFile, ...]
    licence: str
    terms_url: str = ""
    citation: str = ""

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


DRAWN_LICENCE = "Apache-2.0 (drawn by this project)"  # of any release's miniature
DRAWN_TERMS_URL = "https://www.apache.org/licenses/LICENSE-2.0"

_VOO = "Voo, Jiang and Loy, CVPRW 2022"
_AUTHORS_PAGE = "https://github.com/kennyvoo/face-occlusion-generation"
_CELEBAMASK_PAGE = "https://github.com/switchablenorms/CelebAMask-HQ"
_HANDS_PAGE = "https://sites.google.com/view/11khands"
_COCO_PAGE = "https://cocodataset.org/#download"
_HGR1_PAGE = "https://sun.aei.polsl.pl/~mkawulok/gestures/"


def _authors(name: str, *, required: bool = True, **known: int | str) -> SourceFile:
    """A file of the paper's authors, in their folder on Google Drive."""
    return SourceFile(
        name=name,
        page=AUTHORS_DRIVE,
        urls=(AUTHORS_DRIVE,),
        seen="folder: README of github.com/kennyvoo/face-occlusion-generation",
        required=required,
        **known,  # type: ignore[arg-type]  # size, sha256
    )


def _coco(name: str, folder: str, size: int, sha256: str) -> SourceFile:
    """A file of COCO. Its host's certificate is for another name: plain HTTP, then S3."""
    return SourceFile(
        name=name,
        page=_COCO_PAGE,
        urls=(
            f"http://images.cocodataset.org/{folder}/{name}",
            f"https://s3.amazonaws.com/images.cocodataset.org/{folder}/{name}",
        ),
        seen="address: cocodataset.org; sha256: torchvision's prototype of the data set",
        required=False,
        size=size,
        sha256=sha256,
    )


SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        Source(
            name="celebamask_hq",
            title="CelebAMask-HQ with corrected masks",
            licence="non-commercial research and education only, no redistribution",
            terms_url=_CELEBAMASK_PAGE,
            citation=f"Lee, Liu, Wu and Luo, CVPR 2020; corrected masks: {_VOO}",
            files=(
                SourceFile(
                    name="CelebAMask-HQ.zip",
                    page=_CELEBAMASK_PAGE,
                    urls=(f"{_DRIVE_FILE}1badu11NqxGf6qM3PTTooQDJvQbejgbTv",),
                    seen="address: README of the release, and many who fetch it; size: one of them",
                    size=3_153_930_546,
                ),
                _authors("CelebAMask-HQ-masks_corrected.7z"),
                _authors("CelebAMask-HQ-WO-train.txt"),
                _authors("CelebAMask-HQ-WO-test.txt"),
                _authors("CelebAMask-HQ-O.txt"),
                SourceFile(
                    name="identity_CelebA.txt",
                    page="https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
                    urls=(f"{_DRIVE_FILE}1_ee_0u7vcNLOfNLegJRHmolfH5ICW-XS",),
                    seen="address and sha256: torchvision",
                    required=False,
                    sha256="c6143857c3e2630ac2da9f782e9c1232e5e59be993a9d44e8a7916c78a6158c0",
                ),
            ),
        ),
        Source(
            name="hands_11k",
            title="11k Hands, 200 hands with masks",
            licence="academic research only, no redistribution",
            terms_url=_HANDS_PAGE,
            citation=f"Afifi, Multimedia Tools and Applications 2019; masks: {_VOO}",
            files=(
                SourceFile(
                    name="Hands.zip",
                    page=_HANDS_PAGE,
                    urls=(f"{_DRIVE_FILE}1KcMYcNJgtK1zZvfl_9sTqnyBUTri2aP2",),
                    seen="address: README of the release's code, and several who fetch it",
                ),
                SourceFile(
                    name="HandInfo.csv",
                    page=_HANDS_PAGE,
                    urls=(f"{_DRIVE_FILE}1RC86-rVOR8c93XAfM9b9R45L7C2B0FdA",),
                    seen="address: several who fetch it",
                    required=False,
                ),
                _authors("11k-hands_masks.7z"),
                _authors("11k-hands_sample.txt"),
            ),
        ),
        Source(
            name="coco",
            title="COCO objects",
            licence="annotations CC BY 4.0; photographs under their Flickr licences",
            terms_url="https://cocodataset.org/#termsofuse",
            citation="Lin et al., ECCV 2014",
            files=(
                _authors("coco_object.7z", required=False),
                _coco(
                    "train2017.zip",
                    "zips",
                    19_336_861_798,
                    "69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929",
                ),
                _coco(
                    "annotations_trainval2017.zip",
                    "annotations",
                    252_907_541,
                    "113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268",
                ),
            ),
        ),
        Source(
            name="dtd",
            title="Describable Textures Dataset",
            licence="research purposes",
            terms_url="https://www.robots.ox.ac.uk/~vgg/data/dtd/",
            citation="Cimpoi et al., CVPR 2014",
            files=(
                SourceFile(
                    name="dtd-r1.0.1.tar.gz",
                    page="https://www.robots.ox.ac.uk/~vgg/data/dtd/",
                    urls=(
                        "https://www.robots.ox.ac.uk/~vgg/data/dtd/download/dtd-r1.0.1.tar.gz",
                        "https://thor.robots.ox.ac.uk/dtd/dtd-r1.0.1.tar.gz",
                    ),
                    seen="address: torchvision; sha256: anomalib",
                    size=625_239_812,
                    sha256="e42855a52a4950a3b59612834602aa253914755c95b0cff9ead6d07395f8e205",
                ),
            ),
        ),
        Source(
            name="realocc",
            title="RealOcc",
            licence="non-commercial research; photographs under the Pexels and Unsplash licences",
            terms_url=_AUTHORS_PAGE,
            citation=_VOO,
            files=(
                _authors(
                    "RealOcc.7z",
                    size=226_205_702,
                    sha256="de6a26ecc00457c0067991d95906b15638a2f217c5b5ea01a5db42435510577f",
                ),
            ),
        ),
        Source(
            name="realocc_wild",
            title="RealOcc-Wild",
            licence="non-commercial research; photographs under the Pexels and Unsplash licences",
            terms_url=_AUTHORS_PAGE,
            citation=_VOO,
            files=(_authors("RealOcc-Wild.7z"),),
        ),
        Source(
            name="cofw",
            title="Caltech Occluded Faces in the Wild, train masks",
            licence="photographs CC BY 4.0 (Caltech's record); masks for academic research",
            terms_url="https://data.caltech.edu/records/bc0bf-nc666",
            citation="Burgos-Artizzu, Perona and Dollár, ICCV 2013; masks: Jia et al., CVPR 2014",
            files=(
                SourceFile(
                    name="COFW_color.zip",
                    page="https://data.caltech.edu/records/bc0bf-nc666",
                    urls=(
                        "https://data.caltech.edu/records/bc0bf-nc666/files/COFW_color.zip",
                        "http://www.vision.caltech.edu/xpburgos/ICCV13/Data/COFW_color.zip",
                    ),
                    seen="address and size: Caltech's record, by several who fetch it",
                    size=503_327_162,
                ),
                SourceFile(
                    name="COFW_train_masks.zip",
                    page="the 500 masks of Jia, Yang, Chan and Patras (CVPR 2014), on request; "
                    "the paper's changed ones are not public",
                ),
            ),
        ),
        Source(
            name="egohands",
            title="EgoHands, labelled frames",
            licence="research; Bambach et al. (ICCV 2015) are to be cited",
            terms_url="http://vision.soic.indiana.edu/projects/egohands/",
            citation="Bambach, Lee, Crandall and Yu, ICCV 2015",
            files=(
                SourceFile(
                    name="egohands_data.zip",
                    page="http://vision.soic.indiana.edu/projects/egohands/",
                    urls=(
                        "http://vision.soic.indiana.edu/egohands_files/egohands_data.zip",
                        "https://web.archive.org/web/20200713164330id_/"
                        "http://vision.soic.indiana.edu/egohands_files/egohands_data.zip",
                    ),
                    seen="address: many who fetch it; the first is said to be gone, the second is "
                    "the Internet Archive's copy",
                ),
            ),
        ),
        Source(
            name="hgr1",
            title="HGR1, hands in other postures",
            licence="academic research",
            terms_url=_HGR1_PAGE,
            citation="Kawulok et al., EURASIP Journal on Image and Video Processing 2014",
            files=(
                SourceFile(
                    name="hgr1_images.zip",
                    page=_HGR1_PAGE,
                    urls=(f"{_HGR1_PAGE}hgr1_images.zip",),
                    seen="address: two who fetch it",
                ),
                SourceFile(
                    name="hgr1_skin.zip",
                    page=_HGR1_PAGE,
                    urls=(f"{_HGR1_PAGE}hgr1_skin.zip",),
                    seen="address: two who fetch it",
                ),
                SourceFile(
                    name="hgr1.zip",
                    page="images and masks of HGR1 in one archive, as in the small photographs",
                    required=False,
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
