"""Predict inside a face's own square, as FFHQ aligns it, and bring the result back."""

from __future__ import annotations

import cv2
import numpy as np

from face_occlusion.alignment import Aligned, align
from face_occlusion.evaluation.inference import Segmenter
from face_occlusion.landmarks import LandmarkDetector


class AlignedSegmenter:
    """A segmenter that finds the largest face and sees nothing but its aligned square.

    Networks trained on aligned faces expect one; in a photograph with much around the face they
    see it too small otherwise.

    Args:
        segmenter: Predicts the square.
        size_px: Side of the square that is cut out.

    Raises:
        ValueError: If the packages of the extra `align` are missing.
    """

    def __init__(self, segmenter: Segmenter, size_px: int) -> None:
        self.segmenter = segmenter
        self.size_px = size_px
        self.detector = LandmarkDetector()

    def find(self, image: np.ndarray) -> Aligned | None:
        """Cut out the largest face of an (H, W, 3) uint8 RGB image; None if there is none."""
        landmarks = self.detector.find(image, np.ones(image.shape[:2], bool))
        return None if landmarks is None else align(image, landmarks, self.size_px)

    def predict(self, aligned: Aligned, size: tuple[int, ...], *, tta: bool = False) -> np.ndarray:
        """Return the probability of face over the photograph; 0 outside the square.

        Args:
            aligned: As `find` gives it.
            size: (height, width) of the photograph.
            tta: As `Segmenter.predict`.

        Returns:
            (height, width) float32 in [0, 1].
        """
        return unalign(self.segmenter.predict(aligned.image, tta=tta), aligned, size)


def unalign(values: np.ndarray, aligned: Aligned, size: tuple[int, ...]) -> np.ndarray:
    """Bring a map over an aligned face back to its photograph.

    Args:
        values: (S, S) float32 over the aligned face.
        aligned: The face.
        size: (height, width) of the photograph.

    Returns:
        (height, width) float32, interpolated linearly; 0 outside the square.
    """
    return cv2.warpAffine(values, aligned.to_photograph, (size[1], size[0]))
