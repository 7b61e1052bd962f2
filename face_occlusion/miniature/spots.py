"""Where an object lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from face_occlusion.miniature.fields import grid, rotation


@dataclass(frozen=True)
class Spot:
    """Where an object lies.

    Attributes:
        centre_xy: Its middle in pixels.
        size_px: Its length in pixels.
        turn_rad: Its turn, clockwise on the screen; 0 is upright.
    """

    centre_xy: np.ndarray
    size_px: float
    turn_rad: float

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Place (N, 2) points of the object's plane: unit its length, origin its middle, y down."""
        return np.asarray(points, float) @ rotation(self.turn_rad).T * self.size_px + self.centre_xy

    def plane(self, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Return each pixel's (x, y) in the object's plane, (H, W) float32."""
        x, y = grid(shape)
        dx, dy = (x - self.centre_xy[0]) / self.size_px, (y - self.centre_xy[1]) / self.size_px
        c, s = np.cos(self.turn_rad), np.sin(self.turn_rad)
        return (dx * c + dy * s).astype(np.float32), (dy * c - dx * s).astype(np.float32)
