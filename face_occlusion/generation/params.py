"""Parameters of a generated set, and the paper's own values for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from face_occlusion.core.params import PAIR, Checked, Count, JpegQuality, Meta, Natural, Share
from face_occlusion.generation.colour_transfer import ColourTransferParams
from face_occlusion.generation.harmonisation import HarmonisationParams

Angles = Annotated[Sequence[Annotated[float, Meta(ge=-180, le=180)]], PAIR]
Shears = Annotated[Sequence[Annotated[float, Meta(ge=-45, le=45)]], PAIR]
Shares = Annotated[Sequence[Share], PAIR]
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
    scale_range: Annotated[Sequence[Annotated[float, Meta(ge=1e-3, le=10)]], PAIR]
    """Size of the occluder: square root of its mask's area over the face's."""
    covered_frac_range: Shares
    """Share of the face that may be covered; placements outside are sampled again."""
    max_attempts: Count
    """Draws before a sample, and with it the set, fails."""
    offset_frac_range: Annotated[Sequence[Annotated[float, Meta(ge=-5, le=5)]], PAIR]
    """Place of an object or a shape: its centre from the face's, in face widths and heights."""
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
