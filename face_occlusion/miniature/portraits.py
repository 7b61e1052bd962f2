"""A portrait: background, person, camera; its picture, its labels and its landmarks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from face_occlusion.miniature.backgrounds import paint_background
from face_occlusion.miniature.canvas import SUPERSAMPLE, Canvas, coverage, draw_camera, photograph
from face_occlusion.miniature.hair import Barber
from face_occlusion.miniature.head import FaceMap, Frame, Head, make_frame, map_face
from face_occlusion.miniature.lighting import (
    SKIN_WRAP,
    Light,
    Surface,
    cast_shadow,
    draw_light,
    drop_shadow,
    shade,
)
from face_occlusion.miniature.parts import FACE_PARTS
from face_occlusion.miniature.person import Person, View
from face_occlusion.miniature.skin import FaceTexture, draw_face_texture
from face_occlusion.miniature.torso import paint_clothes, paint_ears, paint_neck

_TEXTURE_SHARPNESS = 1.1  # texture pixels per pixel of the drawing


@dataclass
class Portrait:
    """A person painted on a canvas, ready for things to be put before the face.

    Attributes:
        canvas: The painting so far.
        frame: The head's place.
        head: The head.
        person: Who it is.
        light: The light.
        uncovered: (S H, S W) uint8 labels before anything was put before the face.
    """

    canvas: Canvas
    frame: Frame
    head: Head
    person: Person
    light: Light
    uncovered: np.ndarray

    def face(self) -> np.ndarray:
        """Return the visible face (Table 1 of the paper), (H, W) bool at the final size."""
        return coverage(np.isin(self.canvas.labels, FACE_PARTS), SUPERSAMPLE)

    def whole_face(self) -> np.ndarray:
        """Return the face as if nothing were before it, (H, W) bool at the final size."""
        return coverage(np.isin(self.uncovered, FACE_PARTS), SUPERSAMPLE)

    def photograph(self, rng: np.random.Generator) -> np.ndarray:
        """Take the picture, (H, W, 3) uint8 RGB."""
        return photograph(self.canvas, draw_camera(rng), rng)


def paint_portrait(
    person: Person, view: View, shape: tuple[int, int], rng: np.random.Generator
) -> Portrait:
    """Paint a person, nothing before the face but hair.

    Args:
        person: Who.
        view: Pose and expression.
        shape: Final (height, width) in pixels.
        rng: Source of light, clothes and background.
    """
    canvas = Canvas(shape)
    frame, head, light = make_frame(canvas.shape, view), Head(person), draw_light(rng)
    canvas.light[:] = paint_background(canvas.shape, rng)
    barber = Barber(canvas, frame, head, person, light)
    barber.paint_back()
    paint_neck(canvas, frame, person, light)
    paint_clothes(canvas, frame, person, light, rng)
    rings = person.feminine and bool(rng.random() < 0.4)
    paint_ears(canvas, frame, head, person, light, rings)
    texture = draw_face_texture(person, view, head, frame.unit_px * _TEXTURE_SHARPNESS, rng)
    _paint_head(canvas, frame, head, texture, light)
    barber.paint_front()
    return Portrait(canvas, frame, head, person, light, canvas.labels.copy())


def _paint_head(
    canvas: Canvas, frame: Frame, head: Head, texture: FaceTexture, light: Light
) -> None:
    alpha = head.alpha(frame)
    canvas.darken(drop_shadow(alpha, light, 0.22 * frame.unit_px, 0.55))
    face = map_face(head, frame, texture.relief, texture.plane.density)
    colour = np.zeros((*canvas.shape, 3), np.float32)
    colour[face.box] = _lit_face(face, frame, texture, light)
    labels = np.zeros(canvas.shape, np.uint8)
    labels[face.box] = face.sample(texture.labels, nearest=True)
    canvas.paint(alpha, colour, labels)


def _lit_face(face: FaceMap, frame: Frame, texture: FaceTexture, light: Light) -> np.ndarray:
    shadow = cast_shadow(face.height_px, light, 0.45 * frame.unit_px)
    surface = Surface(face.sample(texture.albedo), SKIN_WRAP, gloss=face.sample(texture.gloss))
    return shade(surface, face.height_px, light, 0.35 + 0.65 * shadow)
