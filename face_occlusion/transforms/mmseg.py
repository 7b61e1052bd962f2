"""NatOcc and RandOcc for the `train_pipeline` of MMSegmentation 1.x.

custom_imports = dict(imports=["face_occlusion.transforms.mmseg"])
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="NatOcc", occluders="hands", hands=True, p=0.5),
    ...,
]
"""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from face_occlusion import transforms
from face_occlusion.generation.occlusion import ClassIds


class _Occlusion(BaseTransform):
    """Occlude `results["img"]`, (H, W, 3) uint8 BGR, and update `results["gt_seg_map"]`, uint8.

    Samples come from numpy's global generator, which MMEngine seeds in every worker.

    Args:
        face: Class ids that make up the face.
        occluded: Class id of the pixels that the occluder hides.
        options: The other arguments of the transform of the same name in `transforms`.
    """

    kind: type[transforms.Occlusion]

    def __init__(self, face: Sequence[int] = (1,), occluded: int = 0, **options: Any) -> None:
        self.occlusion = self.kind(class_ids=ClassIds(tuple(face), occluded), **options)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Occlude one sample."""
        seed = np.random.randint(2**32, size=4, dtype=np.uint32)  # noqa: NPY002  # MMEngine's seed
        image = cv2.cvtColor(results["img"], cv2.COLOR_BGR2RGB)
        image, seg_map = self.occlusion(image, results["gt_seg_map"], np.random.default_rng(seed))
        results["img"] = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        results["gt_seg_map"] = seg_map
        return results


@TRANSFORMS.register_module()
class NatOcc(_Occlusion):
    """`transforms.NatOcc`; see there for the arguments, of which `occluders` is needed."""

    kind = transforms.NatOcc


@TRANSFORMS.register_module()
class RandOcc(_Occlusion):
    """`transforms.RandOcc`; see there for the arguments, of which `textures` is needed."""

    kind = transforms.RandOcc
