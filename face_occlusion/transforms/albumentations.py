"""NatOcc and RandOcc as transforms of Albumentations 2.0.8 (MIT; `pip install albumentations`).

import albumentations as A
from face_occlusion.transforms.albumentations import NatOcc

transform = A.Compose([A.HorizontalFlip(), NatOcc("hands", hands=True, p=0.5)], seed=1)
occluded = transform(image=image, mask=mask)
"""

# pyright: reportMissingImports=false, reportAttributeAccessIssue=false
# It is not installed beside the pipeline, whose OpenCV its own would replace.

import functools
from typing import Any

import albumentations as A
import numpy as np
from albumentations.core.type_definitions import ALL_TARGETS

from face_occlusion import transforms
from face_occlusion.generation.colour_transfer import ColourTransferParams
from face_occlusion.generation.compositing import HALF, Layer
from face_occlusion.generation.harmonisation import HarmonisationParams
from face_occlusion.generation.occlusion import (
    ClassIds,
    check_face,
    paint_occlusion,
    sample_occlusion,
)


class _Occlusion(A.DualTransform):
    """Occlude the image and hide the same pixels in every mask; boxes and points stay.

    The face is that of `mask`, or of the first of `masks`. An image without a face is left as it
    is. What was sampled is replayed on images of the same size.
    """

    _targets = ALL_TARGETS
    occlusion: transforms.Occlusion

    @property
    def targets_as_params(self) -> list[str]:
        return ["image"]

    def get_params_dependent_on_data(
        self, params: dict[str, Any], data: dict[str, Any]
    ) -> dict[str, Any]:
        """Sample the occluder, its place and looks; `layer` is None where there is no face."""
        masks = [data["mask"]] if "mask" in data else list(data.get("masks", ()))
        if not masks:
            raise ValueError(f"{type(self).__name__} needs mask= or masks=, which show the face")
        occlusion = self.occlusion
        seg_map = check_face(data["image"], np.ascontiguousarray(masks[0]))
        face_mask = transforms.find_face(seg_map, occlusion.class_ids)
        if not face_mask.any():
            return {"layer": None, "record": None, "face_mask": face_mask}
        record, layer = sample_occlusion(
            face_mask, occlusion.occluders, self.random_generator, occlusion.params
        )
        return {"layer": layer, "record": record, "face_mask": face_mask}

    def apply(self, img: np.ndarray, **params: Any) -> np.ndarray:
        """Paint the occluder that was sampled over an (H, W, 3) uint8 RGB image."""
        face_mask, layer = params["face_mask"], params["layer"]
        if img.shape != (*face_mask.shape, 3) or img.dtype != np.uint8:
            raise ValueError(
                f"the image must be uint8 RGB {(*face_mask.shape, 3)}; got {img.shape} {img.dtype}"
            )
        if layer is None:
            return img
        return paint_occlusion(img.copy(), face_mask, layer, params["record"])

    def apply_to_mask(self, mask: np.ndarray, *, layer: Layer | None, **_params: Any) -> np.ndarray:
        """Write the id of hidden pixels where the occluder covers by half or more."""
        if layer is None:
            return mask
        hidden = mask.copy()
        hidden[layer.coverage_on(mask.shape) >= HALF] = self.occlusion.class_ids.occluded
        return hidden

    def apply_to_bboxes(self, bboxes: np.ndarray, **_params: Any) -> np.ndarray:
        return bboxes

    apply_to_keypoints = apply_to_bboxes


class NatOcc(_Occlusion):
    """`transforms.NatOcc` for `A.Compose`; see there for the arguments."""

    def __init__(
        self,
        occluders: str,
        hands: bool = False,
        colour_transfer: ColourTransferParams | transforms.Colours | None = "paper",
        harmonisation: HarmonisationParams | transforms.Colours | None = "paper",
        class_ids: ClassIds = ClassIds(),
        p: float = 0.5,
    ) -> None:
        super().__init__(p=p)
        self.occluders, self.hands, self.class_ids = occluders, hands, class_ids
        self.colour_transfer, self.harmonisation = colour_transfer, harmonisation
        self.occlusion = _opened(
            transforms.NatOcc,
            occluders,
            hands=hands,
            colour_transfer=colour_transfer,
            harmonisation=harmonisation,
            class_ids=class_ids,
        )


class RandOcc(_Occlusion):
    """`transforms.RandOcc` for `A.Compose`; see there for the arguments."""

    def __init__(self, textures: str, class_ids: ClassIds = ClassIds(), p: float = 0.5) -> None:
        super().__init__(p=p)
        self.textures, self.class_ids = textures, class_ids
        self.occlusion = _opened(transforms.RandOcc, textures, class_ids=class_ids)


# Replaying makes every transform anew, which is not to read the occluders again.
@functools.lru_cache(maxsize=8)
def _opened(
    kind: type[transforms.Occlusion], occluders: str, **options: Any
) -> transforms.Occlusion:
    return kind(occluders, **options)
