"""Occlusion as an augmentation: what the image sets are made with, for a data loader.

`NatOcc` and `RandOcc` work on numpy arrays. `transforms.albumentations` and `transforms.mmseg` hold
the same two for Albumentations and for MMSegmentation's configuration files.
"""

import atexit
import dataclasses
import os
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Literal

import numpy as np

from face_occlusion.apps.occluding import kind_of_cutouts, read_occluder, read_occluders
from face_occlusion.core.classes import BACKGROUND, IGNORED
from face_occlusion.generation.colour_transfer import ColourTransferParams
from face_occlusion.generation.harmonisation import HarmonisationParams
from face_occlusion.generation.occlusion import ClassIds, check_face, mask_of_face, occlude
from face_occlusion.generation.params import GenerateParams, default_params

__all__ = ["ClassIds", "NatOcc", "Occlusion", "RandOcc", "read_occluder"]

Colours = Literal["paper"]


class Occlusion:
    """Put a random occluder over a face, with a given probability.

    Picklable, and safe in the workers of a data loader, forked or spawned: the decoded occluders
    lie in one temporary file, which the workers map into memory and the process that made the
    transform removes at its end.

    Args:
        occluders: An image set (`data/occluders/hands`), or a folder of RGBA files with straight
            alpha (NatOcc) or of photographs of textures (RandOcc).
        params: Sizes, places and looks; `params.method` is the transform's own.
        class_ids: Meaning of the mask's ids. Pixels of other classes are kept.
        hands: Whether a folder of files holds hands, which reach for the face.
        p: Share of the images that are occluded, 0-1.

    `p` out of range, and a folder without occluders of this kind, are a ValueError.
    """

    def __init__(
        self,
        occluders: Path | str,
        params: GenerateParams,
        class_ids: ClassIds = ClassIds(),
        *,
        hands: bool = False,
        p: float = 0.5,
    ) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"p must lie in 0-1; got {p}")
        self.params, self.class_ids, self.p = params, class_ids, p
        scratch = Path(tempfile.mkdtemp(prefix="face-occlusion-"))
        atexit.register(_remove, scratch, os.getpid())  # copies read it, too
        self.occluders = read_occluders(Path(occluders), params.method, scratch, hands=hands)

    def __call__(
        self, image: np.ndarray, mask: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Occlude an image, (H, W, 3) uint8 RGB, with probability `p`; the input is left unchanged.

        Returns image and uint8 mask (of a bool or uint8 one); the input's own where nothing is
        occluded, which is also the case for a mask without a face. Sizes or types that differ, and
        no placement that covers a wanted share of the face, are a ValueError.
        """
        seg_map = check_face(image, np.ascontiguousarray(mask))
        wanted = rng.uniform() < self.p
        if not wanted or not find_face(seg_map, self.class_ids).any():
            return image, seg_map
        occluded = occlude(image, seg_map, self.occluders, rng, self.params, self.class_ids)
        return occluded[0], occluded[1]


class NatOcc(Occlusion):
    """Occlude with photographed hands or objects, in the face's colours (NatOcc-SOT of the paper).

    Args:
        occluders: See `Occlusion`; all are hands, or all objects. An image set says so itself, and
            may hold drawn glasses, which are put at the eyes.
        colour_transfer: For hands: how they get the face's colours; None leaves them, `paper` is
            sliced optimal transport.
        harmonisation: For objects: how they are fitted to the picture; None leaves them, `paper`
            is Reinhard's, which stands in for RainNet without weights.
        augment_face: Whether the face is first rotated, sheared and changed in tone as the sets'
            faces are. Otherwise pixels that no occluder touches keep their values.
        params: Replaces the paper's settings and the four arguments before.

    Other arguments and errors are those of `Occlusion`.
    """

    def __init__(
        self,
        occluders: Path | str,
        *,
        hands: bool = False,
        colour_transfer: ColourTransferParams | Colours | None = "paper",
        harmonisation: HarmonisationParams | Colours | None = "paper",
        augment_face: bool = False,
        params: GenerateParams | None = None,
        class_ids: ClassIds = ClassIds(),
        p: float = 0.5,
    ) -> None:
        if params is None:
            kind = kind_of_cutouts(Path(occluders), hands=hands)
            params = default_params(kind)
            if kind == "hands" and colour_transfer != "paper":
                params = dataclasses.replace(params, colour_transfer=colour_transfer)
            if kind != "hands" and harmonisation != "paper":
                params = dataclasses.replace(params, harmonisation=harmonisation)
            params = dataclasses.replace(params, keep_background=not augment_face)
        super().__init__(occluders, params, class_ids, hands=hands, p=p)


class RandOcc(Occlusion):
    """Occlude with random shapes, textured and partly transparent (RandOcc of the paper).

    Args:
        textures: An image set (`data/occluders/textures`), or a folder of photographs of textures.
        augment_face: See `NatOcc`.
        params: Replaces the paper's settings and `augment_face`.

    Other arguments and errors are those of `Occlusion`.
    """

    def __init__(
        self,
        textures: Path | str,
        *,
        augment_face: bool = False,
        params: GenerateParams | None = None,
        class_ids: ClassIds = ClassIds(),
        p: float = 0.5,
    ) -> None:
        if params is None:
            params = default_params("textures")
            params = dataclasses.replace(params, keep_background=not augment_face)
        super().__init__(textures, params, class_ids, p=p)


def find_face(seg_map: np.ndarray, class_ids: ClassIds) -> np.ndarray:
    """Return `mask_of_face`; warn if it is empty, and 255 may have been meant as face."""
    face_mask = mask_of_face(seg_map, class_ids)
    if not face_mask.any() and set(np.unique(seg_map)) == {BACKGROUND, IGNORED}:
        warnings.warn(
            "a mask of 0 and 255 holds no face, and its image is not occluded: 255 means ignored. "
            "If it is the face, pass mask > 0, or ClassIds(face=(255,))",
            stacklevel=3,
        )
    return face_mask


def _remove(scratch: Path, maker: int) -> None:
    """Remove a transform's folder, in the process that made it only."""
    if os.getpid() == maker:
        shutil.rmtree(scratch)
