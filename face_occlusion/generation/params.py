"""Parameters of a generated set, and the paper's own values for them."""

from collections.abc import Sequence
from dataclasses import dataclass

from face_occlusion.generation.colour_transfer import ColourTransferParams
from face_occlusion.generation.harmonisation import HarmonisationParams

METHODS = ("natocc", "randocc")


def check_range(name: str, values: Sequence[float], low: float, high: float) -> None:
    """Check that `values` is an interval [a, b] with low <= a <= b <= high.

    Raises:
        ValueError: If it is not; the message starts with `name`.
    """
    if (
        isinstance(values, str)
        or len(values) != 2
        or not all(isinstance(value, int | float) for value in values)
        or not low <= values[0] <= values[1] <= high
    ):
        raise ValueError(
            f"{name} must be [a, b] with {low:g} <= a <= b <= {high:g}; got {values!r}"
        )


def check_share(name: str, value: float) -> None:
    """Check that a value lies in 0-1.

    Raises:
        ValueError: If it does not; the message starts with `name`.
    """
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"{name} must lie in 0-1; got {value!r}")


@dataclass(frozen=True, kw_only=True)
class ToneParams:
    """Brightness, contrast and image compression of a face or an occluder."""

    tone_prob: float
    """Share of images whose brightness and contrast change."""
    brightness_range: Sequence[float]
    """Added to every channel, as a share of full scale."""
    contrast_range: Sequence[float]
    """Factor about mid-grey."""
    jpeg_prob: float
    """Share of images that pass through a JPEG."""
    jpeg_quality_range: Sequence[int]
    """Quality of that JPEG, 1-100."""

    def __post_init__(self) -> None:
        check_share("tone_prob", self.tone_prob)
        check_share("jpeg_prob", self.jpeg_prob)
        check_range("brightness_range", self.brightness_range, -1, 1)
        check_range("contrast_range", self.contrast_range, 0, 4)
        check_range("jpeg_quality_range", self.jpeg_quality_range, 1, 100)


@dataclass(frozen=True, kw_only=True)
class FaceParams(ToneParams):
    """What happens to a face before it is occluded: affine and tone."""

    affine_prob: float
    """Share of faces that are rotated, sheared and enlarged, with their masks."""
    rotation_deg_range: Sequence[float]
    shear_deg_range: Sequence[float]
    zoom_range: Sequence[float]
    """Enlargement beyond what keeps every pixel inside the photograph."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share("affine_prob", self.affine_prob)
        check_range("rotation_deg_range", self.rotation_deg_range, -90, 90)
        check_range("shear_deg_range", self.shear_deg_range, -45, 45)
        check_range("zoom_range", self.zoom_range, 1, 4)


@dataclass(frozen=True, kw_only=True)
class GenerateParams:
    """One entry of section `generate` of params.yaml: one generated set."""

    method: str
    """`natocc` (photographed hands and objects) or `randocc` (random shapes)."""
    occluders: str
    """Folder of the occluders' image set under data/occluders."""
    seed: int
    """Seed of the set; sample i depends on it and on the face's key alone."""
    variants: int
    """Samples of each face, 1 in the paper; the first stay as they are when there are more."""
    scale_range: Sequence[float]
    """Size of the occluder: square root of its mask's area over the face's."""
    covered_frac_range: Sequence[float]
    """Share of the face that may be covered; placements outside are sampled again."""
    max_attempts: int
    """Draws before a sample, and with it the set, fails."""
    offset_frac_range: Sequence[float]
    """Place of an object or a shape: its centre from the face's, in face widths and heights."""
    rotation_deg_range: Sequence[float]
    """Rotation; of a hand after its fingers were turned to the face."""
    shear_deg_range: Sequence[float]
    edge_sigma_frac_range: Sequence[float]
    """Gaussian blur of the occluder's edge, in face sizes: square roots of mask area."""
    contact_sigma_frac_range: Sequence[float]
    """Gaussian blur where the occluder's edge meets the face, in face sizes."""
    transparent_prob: float
    """Share of samples whose occluder is transparent."""
    opacity_range: Sequence[float]
    """Opacity of a transparent occluder."""
    face: FaceParams
    occluder: ToneParams
    colour_transfer: ColourTransferParams | None
    """Hands only: how they get the face's colours; null leaves them."""
    harmonisation: HarmonisationParams | None
    """Objects only: how they are fitted to the picture's colours; null leaves them."""
    keep_background: bool
    """Leave faces unaugmented: pixels that the occluder does not touch keep their very values."""
    jpeg_quality: int
    """Quality of the images written, 1-100."""
    samples_per_shard: int

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}; got {self.method!r}")
        for name in ("seed", "variants", "max_attempts", "samples_per_shard"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < (name != "seed"):
                raise ValueError(f"{name} must be a whole number; got {getattr(self, name)!r}")
        for name, low, high in (
            ("scale_range", 1e-3, 10),
            ("covered_frac_range", 0, 1),
            ("offset_frac_range", -5, 5),
            ("rotation_deg_range", -180, 180),
            ("shear_deg_range", -45, 45),
            ("edge_sigma_frac_range", 0, 0.1),
            ("contact_sigma_frac_range", 0, 0.1),
            ("opacity_range", 0, 1),
        ):
            check_range(name, getattr(self, name), low, high)
        check_share("transparent_prob", self.transparent_prob)
        check_range("jpeg_quality", [self.jpeg_quality] * 2, 1, 100)
