"""Parameters of a generated set, and the paper's own values for them, as in profiles/paper.yaml."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from face_occlusion.core.params import PAIR, Checked, Count, JpegQuality, Meta, Natural, Share
from face_occlusion.generation.colour_transfer import ColourTransferParams
from face_occlusion.generation.geometry import Occluder
from face_occlusion.generation.harmonisation import HarmonisationParams
from face_occlusion.generation.harmonisation.harmoniser import RAINNET_PREFIX
from face_occlusion.generation.shapes import Texture

Angles = Annotated[Sequence[Annotated[float, Meta(ge=-180, le=180)]], PAIR]
Shears = Annotated[Sequence[Annotated[float, Meta(ge=-45, le=45)]], PAIR]
Shares = Annotated[Sequence[Share], PAIR]
Offsets = Annotated[Sequence[Annotated[float, Meta(ge=-5, le=5)]], PAIR]
Sigmas = Annotated[Sequence[Annotated[float, Meta(ge=0, le=0.1)]], PAIR]


@dataclass(frozen=True, kw_only=True)
class ToneParams(Checked):
    """Brightness, contrast and image compression of a face or an occluder."""

    tone_prob: Share
    """Share of images whose brightness and contrast change."""
    brightness_range: Annotated[Sequence[Annotated[float, Meta(ge=-1, le=1)]], PAIR]
    """Added to every channel, as a share of full scale."""
    contrast_range: Annotated[Sequence[Annotated[float, Meta(ge=0, le=4)]], PAIR]
    """Factor about mid-grey."""
    jpeg_prob: Share
    """Share of images that pass through a JPEG."""
    jpeg_quality_range: Annotated[Sequence[JpegQuality], PAIR]
    """Quality of that JPEG, 1-100."""


@dataclass(frozen=True, kw_only=True)
class FaceParams(ToneParams):
    """What happens to a face before it is occluded: affine and tone."""

    affine_prob: Share
    """Share of faces that are rotated, sheared and enlarged, with their masks."""
    rotation_deg_range: Annotated[Sequence[Annotated[float, Meta(ge=-90, le=90)]], PAIR]
    shear_deg_range: Shears
    zoom_range: Annotated[Sequence[Annotated[float, Meta(ge=1, le=4)]], PAIR]
    """Enlargement beyond what keeps every pixel inside the photograph."""


@dataclass(frozen=True, kw_only=True)
class GenerateParams(Checked):
    """One entry of section `generate` of params.yaml: one generated set."""

    method: Literal["natocc", "randocc"]
    """`natocc` (photographed hands and objects) or `randocc` (random shapes)."""
    occluders: str
    """Folder of the occluders' image set under data/occluders."""
    seed: Natural
    """Seed of the set; sample i depends on it and on the face's key alone."""
    variants: Count
    """Samples of each face, 1 in the paper; the first stay as they are when there are more."""
    second_prob: Share = 0.0
    """Share of samples with a second occluder over the first: it hides at least the lower bound of
    `covered_frac_range` more, both together at most the upper one; where none fits, there is one.
    """
    scale_range: Annotated[Sequence[Annotated[float, Meta(ge=1e-3, le=10)]], PAIR]
    """Size of the occluder: square root of its mask's area over the face's."""
    covered_frac_range: Shares
    """Share of the face that may be covered; placements outside are sampled again."""
    max_attempts: Count
    """Draws before a sample, and with it the set, fails."""
    offset_frac_range: Offsets
    """Place of an object or a shape: its centre from the face's, in face widths and heights."""
    offset_y_frac_range: Offsets | None = None
    """Heights, where they have a range of their own: glasses lie at the eyes; negative is up."""
    rotation_deg_range: Angles
    """Rotation; of a hand after its fingers were turned to the face."""
    shear_deg_range: Shears
    edge_sigma_frac_range: Sigmas
    """Gaussian blur of the occluder's edge, in face sizes: square roots of mask area."""
    contact_sigma_frac_range: Sigmas
    """Gaussian blur where the occluder's edge meets the face, in face sizes."""
    transparent_prob: Share
    """Share of samples whose occluder is transparent."""
    opacity_range: Shares
    """Opacity of a transparent occluder."""
    face: FaceParams
    occluder: ToneParams
    colour_transfer: ColourTransferParams | None
    """Hands only: how they get the face's colours; null leaves them."""
    harmonisation: HarmonisationParams | None
    """Objects only: how they are fitted to the picture's colours; null leaves them."""
    keep_background: bool
    """Leave faces unaugmented: pixels that the occluder does not touch keep their very values."""
    jpeg_quality: JpegQuality
    """Quality of the images written, 1-100."""
    samples_per_shard: Count


KINDS = ("hands", "objects", "textures", "glasses")

TONE = {
    "tone_prob": 0.5,
    "brightness_range": [-0.1, 0.1],
    "contrast_range": [0.85, 1.15],
    "jpeg_prob": 0.2,
    "jpeg_quality_range": [50, 95],
}

SOT = ColourTransferParams(
    mode="masked",
    steps=4,
    directions_per_step=3,
    downscale=8,
    smoothing_frac=0.1,
    algorithm1="balanced",
    strength=1.0,
    partial_share=0.7,
)

# Of the methods that need no weights, the one with the smallest colour error on held-out
# composites (`python -m bench.generation_quality`).
STATISTICS = HarmonisationParams(method="reinhard", size_px=256, strength=0.5)

# Drawn glasses lie at the eyes, a tenth of the face's height above its centre; not the paper's.
WORN = {
    "scale_range": [0.34, 0.5],
    "covered_frac_range": [0.04, 0.5],
    "offset_frac_range": [-0.08, 0.08],
    "offset_y_frac_range": [-0.2, -0.04],
    "rotation_deg_range": [-10, 10],
    "transparent_prob": 0.4,
    "opacity_range": [0.5, 0.9],
}

# As published, where a parameter is all it takes; what else differs is in docs/paper.md.
PUBLISHED_SOT = dataclasses.replace(SOT, mode="published", steps=15, directions_per_step=5)
PUBLISHED = {
    "scale_range": [0.57, 1.2],  # 0.5-1 is meant for the area, then scaled by 0.8-1.2
    "covered_frac_range": [0.0, 1.0],  # no bounds
    "opacity_range": [0.4, 0.7],
}


def paper_params(
    kind: str,
    *,
    seed: int = 1,
    colour_transfer: ColourTransferParams | None = None,
    harmonisation: HarmonisationParams | None = None,
) -> GenerateParams:
    """Return the paper's settings for one kind of occluder.

    Args:
        kind: `hands`, `objects` (both NatOcc), `textures` (RandOcc), or `glasses`, which the paper
            does not have; others are a ValueError.
        seed: Seed of the set.
        colour_transfer: How hands get the face's colours; `SOT` is the paper's.
        harmonisation: How objects are fitted to the picture; `STATISTICS` needs no weights.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}; got {kind!r}")
    rotation = {"hands": [-15, 15], "textures": [-180, 180]}
    params = GenerateParams(
        method="randocc" if kind == "textures" else "natocc",
        occluders=kind,
        seed=seed,
        scale_range=[0.5, 1.0],
        covered_frac_range=[0.05, 0.5],
        max_attempts=200,
        offset_frac_range=[-0.5, 0.5],
        rotation_deg_range=rotation.get(kind, [-30, 30]),
        shear_deg_range=[-8, 8],
        edge_sigma_frac_range=[0.0008, 0.0025],
        contact_sigma_frac_range=[0.001, 0.0025],
        transparent_prob=0.3 if kind == "textures" else 0.0,
        opacity_range=[0.5, 0.8],
        face=FaceParams(
            affine_prob=0.5,
            rotation_deg_range=[-8, 8],
            shear_deg_range=[-3, 3],
            zoom_range=[1.0, 1.1],
            **TONE,
        ),
        occluder=ToneParams(**TONE),
        colour_transfer=colour_transfer,
        harmonisation=harmonisation,
        keep_background=False,
        jpeg_quality=95,
        samples_per_shard=256,
        variants=1,
    )
    return dataclasses.replace(params, **WORN) if kind == "glasses" else params


def default_params(kind: str, seed: int = 1) -> GenerateParams:
    """Return the paper's settings, colours fitted: hands by transport, objects by statistics."""
    return paper_params(
        kind,
        seed=seed,
        colour_transfer=SOT if kind == "hands" else None,
        harmonisation=STATISTICS if kind == "objects" else None,
    )


def published_params(kind: str, seed: int = 1) -> GenerateParams:
    """Return settings with the published generator's colour transfer, sizes, opacity and no bounds.

    They are for measuring the difference; `bench.published` holds what no parameter can express.
    """
    transfer = PUBLISHED_SOT if kind == "hands" else None
    return dataclasses.replace(paper_params(kind, seed=seed, colour_transfer=transfer), **PUBLISHED)


PRESETS = {"paper": default_params, "published": published_params}


def kind_of(item: Occluder | Texture) -> str:
    """Return the kind whose settings fit an occluder: hands are those that have a direction."""
    if isinstance(item, Texture):
        return "textures"
    return "objects" if item.pointing_deg is None else "hands"


def with_colours(params: GenerateParams, kind: str, colours: str) -> GenerateParams:
    """Return settings for `kind` with another way of fitting the occluder's colours to the face.

    `colours`: `fit` keeps the way that the settings name, `keep` the occluder's colours; else a way
    of fitting: `sot` for hands, a method of harmonisation for objects; ValueError for any other.
    """
    if colours == "fit":
        return params
    if colours == "keep":
        return dataclasses.replace(params, colour_transfer=None, harmonisation=None)
    if colours == "sot" and kind == "hands":
        return dataclasses.replace(params, colour_transfer=params.colour_transfer or SOT)
    if colours != "sot" and kind == "objects":
        harmonisation = dataclasses.replace(STATISTICS, method=colours)
        if colours.startswith(RAINNET_PREFIX):
            harmonisation = dataclasses.replace(harmonisation, strength=1.0)
        return dataclasses.replace(params, harmonisation=harmonisation)
    raise ValueError(
        "colours must be fit or keep, for hands also sot, for objects also reinhard, mkl or "
        f"rainnet:CHECKPOINT; got {colours!r} for {kind}"
    )
