"""The paper's own settings, for use without a params.yaml; profiles/paper.yaml holds the same."""

from __future__ import annotations

from face_occlusion.generation.colour_transfer import ColourTransferParams
from face_occlusion.generation.harmonisation import HarmonisationParams
from face_occlusion.generation.params import FaceParams, GenerateParams, ToneParams

KINDS = ("hands", "objects", "textures")

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

MKL = HarmonisationParams(method="mkl", size_px=256, strength=0.5)


def paper_params(
    kind: str,
    *,
    seed: int = 1,
    colour_transfer: ColourTransferParams | None = None,
    harmonisation: HarmonisationParams | None = None,
) -> GenerateParams:
    """Return the paper's settings for one kind of occluder.

    Args:
        kind: `hands`, `objects` (both NatOcc) or `textures` (RandOcc).
        seed: Seed of the set.
        colour_transfer: How hands get the face's colours; `SOT` is the paper's.
        harmonisation: How objects are fitted to the picture; `MKL` needs no weights.

    Raises:
        ValueError: If the kind is unknown.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}; got {kind!r}")
    rotation = {"hands": [-15, 15], "objects": [-30, 30], "textures": [-180, 180]}
    return GenerateParams(
        method="randocc" if kind == "textures" else "natocc",
        occluders=kind,
        seed=seed,
        scale_range=[0.5, 1.0],
        covered_frac_range=[0.05, 0.5],
        max_attempts=200,
        offset_frac_range=[-0.5, 0.5],
        rotation_deg_range=rotation[kind],
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
    )
