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
    """

    occlusion: transforms.Occlusion

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Occlude one sample."""
        rng = np.random.default_rng(np.random.randint(2**32, size=4, dtype=np.uint32))  # noqa: NPY002
        image = cv2.cvtColor(results["img"], cv2.COLOR_BGR2RGB)
        image, seg_map = self.occlusion(image, results["gt_seg_map"], rng)
        results["img"] = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        results["gt_seg_map"] = seg_map
        return results


@TRANSFORMS.register_module()
class NatOcc(_Occlusion):
    """`transforms.NatOcc`; see there for the arguments.

    Args:
        occluders: An image set of hands or objects, or a folder of RGBA files.
        face: Class ids that make up the face.
        occluded: Class id of the pixels that the occluder hides.
        options: Further arguments of `transforms.NatOcc`.
    """

    def __init__(
        self, occluders: str, face: Sequence[int] = (1,), occluded: int = 0, **options: Any
    ) -> None:
        class_ids = ClassIds(tuple(face), occluded)
        self.occlusion = transforms.NatOcc(occluders, class_ids=class_ids, **options)


@TRANSFORMS.register_module()
class RandOcc(_Occlusion):
    """`transforms.RandOcc`; see there for the arguments.

    Args:
        textures: An image set of textures, or a folder of photographs of them.
        face: Class ids that make up the face.
        occluded: Class id of the pixels that the occluder hides.
        options: Further arguments of `transforms.RandOcc`.
    """

    def __init__(
        self, textures: str, face: Sequence[int] = (1,), occluded: int = 0, **options: Any
    ) -> None:
        class_ids = ClassIds(tuple(face), occluded)
        self.occlusion = transforms.RandOcc(textures, class_ids=class_ids, **options)
