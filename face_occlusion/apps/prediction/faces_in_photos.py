"""Predict inside a face's own square, as FFHQ aligns it, and bring the result back."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from face_occlusion.alignment.alignment import Aligned, align
from face_occlusion.alignment.landmarks import LandmarkDetector
from face_occlusion.evaluation.inference import Segmenter


class AlignedSegmenter:
    """A segmenter that finds the faces and sees nothing but their aligned squares.

    Networks trained on aligned faces expect one; in a photograph with much around the face they
    see it too small otherwise.

    Args:
        segmenter: Predicts a square.
        size_px: Side of the squares that are cut out.

    Raises:
        ValueError: If the packages of the extra `align` are missing.
    """

    def __init__(self, segmenter: Segmenter, size_px: int) -> None:
        self.segmenter = segmenter
        self.size_px = size_px
        self.detector = LandmarkDetector()

    def find(self, image: np.ndarray) -> list[Aligned]:
        """Cut the faces out of an (H, W, 3) uint8 RGB image, the largest first."""
        return [
            align(image, landmarks, self.size_px) for landmarks in self.detector.find_all(image)
        ]

    def predict(
        self, faces: Sequence[Aligned], size: tuple[int, ...], *, tta: bool = False
    ) -> np.ndarray:
        """Return the probability of face over the photograph; 0 outside the squares.

        Args:
            faces: As `find` gives them; where squares overlap the higher probability stands.
            size: (height, width) of the photograph.
            tta: As `Segmenter.predict`.

        Returns:
            (height, width) float32 in [0, 1].
        """
        probability = np.zeros(size, np.float32)
        seen = self.segmenter.predict_batch([face.image for face in faces], tta=tta)
        for values, face in zip(seen, faces, strict=True):
            np.maximum(probability, unalign(values, face, size), out=probability)
        return probability


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
