"""A portrait: background, person and clothes, with its labels and its landmarks."""

from dataclasses import dataclass

import numpy as np

from face_occlusion.miniature import colours, fields, relief
from face_occlusion.miniature.backdrops import paint_background
from face_occlusion.miniature.canvas import (
    FACE_PARTS,
    SUPERSAMPLE,
    Canvas,
    Part,
    Solid,
    bounding_box,
    coverage,
    photograph,
)
from face_occlusion.miniature.fields import Rng, Shape
from face_occlusion.miniature.hair import HairPainter
from face_occlusion.miniature.light import SKIN_WRAP, Surface, cast_shadow, sample_light, shade
from face_occlusion.miniature.person import Frame, Head, Person, View, map_face
from face_occlusion.miniature.relief import BROW_SPAN
from face_occlusion.miniature.skin import FaceTexture, paint_face_texture

_TEXTURE_SHARPNESS = 1.1  # texture pixels per pixel of the drawing

# The 29 landmarks of COFW (Burgos-Artizzu et al. 2013) in the release's order; left and right are
# the picture's. MMPose flips the same pairs.
LANDMARKS = (
    "left brow outer", "right brow outer", "left brow inner", "right brow inner",
    "left brow top", "left brow bottom", "right brow top", "right brow bottom",
    "left eye outer", "right eye outer", "left eye inner", "right eye inner",
    "left eye top", "left eye bottom", "right eye top", "right eye bottom",
    "left pupil", "right pupil", "nose left", "nose right", "nose tip", "nose bottom",
    "mouth left", "mouth right", "upper lip top", "upper lip bottom",
    "lower lip top", "lower lip bottom", "chin",
)  # fmt: skip

# Of each neckline: its depth, half its width, and the height of its upper end.
_NECKLINES = {
    "crew": (1.8, 0.62, 1.62),
    "v_neck": (2.35, 0.6, 1.62),
    "shirt": (2.05, 0.6, 1.62),
    "roll_neck": (1.42, 0.66, 1.42),
    "boat": (2.0, 1.05, 1.62),
}


@dataclass
class Portrait:
    """A person painted on a canvas, ready for an occluder to be painted before the face."""

    canvas: Canvas  # the painting so far
    frame: Frame  # the head's place
    head: Head  # the head
    person: Person  # who it is
    uncovered: np.ndarray  # (S H, S W) uint8 labels without an occluder

    def face(self) -> np.ndarray:
        """Return the visible face (Table 1 of the paper), (H, W) bool at the final size."""
        return coverage(np.isin(self.canvas.labels, FACE_PARTS), SUPERSAMPLE)

    def photograph(self, rng: Rng) -> np.ndarray:
        """Photograph the painting, (H, W, 3) uint8 RGB."""
        return photograph(self.canvas, rng)


def paint_portrait(person: Person, view: View, shape: Shape, rng: Rng) -> Portrait:
    """Paint a person with nothing before the face but hair, in a picture of final `shape`."""
    canvas = Canvas(shape, sample_light(rng))
    height, width = canvas.shape
    origin = (view.centre_xy[0] * width, view.centre_xy[1] * height)
    frame, head = Frame(canvas.shape, origin, view.unit_frac * height, view), Head(person)
    canvas.rgb[:] = paint_background(canvas.shape, rng)
    hair = HairPainter(canvas, frame, person)
    hair.paint_back()
    _paint_neck(canvas, frame, person)
    _paint_clothes(canvas, frame, person, rng)
    _paint_ears(canvas, frame, person, rings=person.feminine and bool(rng.random() < 0.4))
    texture = paint_face_texture(person, view, head, frame.unit_px * _TEXTURE_SHARPNESS, rng)
    _paint_head(canvas, frame, head, texture)
    hair.paint_front()
    return Portrait(canvas, frame, head, person, canvas.labels.copy())


def _paint_head(canvas: Canvas, frame: Frame, head: Head, texture: FaceTexture) -> None:
    alpha = head.alpha(frame)
    canvas.drop_shadow(alpha, 0.22 * frame.unit_px, 0.55)
    face = map_face(head, frame, texture.relief, texture.plane.density)
    colour = np.zeros((*canvas.shape, 3), np.float32)
    shadow = cast_shadow(face.height_px, canvas.light, 0.45 * frame.unit_px)
    surface = Surface(face.sample(texture.albedo), SKIN_WRAP, gloss=face.sample(texture.gloss))
    colour[face.box] = shade(surface, face.height_px, canvas.light, 0.35 + 0.65 * shadow)
    labels = np.zeros(canvas.shape, np.uint8)
    labels[face.box] = face.sample(texture.labels, nearest=True)
    canvas.paint(alpha, colour, labels)


def _paint_neck(canvas: Canvas, frame: Frame, person: Person) -> None:
    """Paint neck and bare shoulders, which clothes then cover."""
    wide = 0.56 if person.feminine else 0.72
    right = [(wide + 0.04, 0.6), (wide - 0.03, 1.25), (wide + 0.05, 1.62), (wide + 0.45, 1.88)]
    right += [(1.9, 2.2), (2.3, 3.0), (2.3, 5.0)]
    points = np.array(right + [(-x, y) for x, y in reversed(right)])
    points[:, 0] += 0.1 * np.sin(frame.view.yaw_rad)
    alpha = fields.fill(frame.shape, frame.flat(fields.smooth_curve(points, 80)))
    x, _ = fields.grid(frame.shape)
    across = (x - frame.origin_xy[0]) / frame.unit_px
    column = np.sqrt(np.clip(1 - (across / (wide + 0.08)) ** 2, 0, 1)).astype(np.float32)
    height = 0.8 * frame.unit_px * wide * fields.blur(column, 0.06 * frame.unit_px)
    height += 0.6 * fields.inflate(alpha, 0.35 * frame.unit_px)
    albedo = colours.skin(person.tone, person.warmth) * np.array([0.93, 0.88, 0.87], np.float32)
    surface = Surface(albedo, SKIN_WRAP, gloss=0.03, shininess=8)
    canvas.paint_solid(Solid(alpha, height, surface), Part.NECK)


def _paint_clothes(canvas: Canvas, frame: Frame, person: Person, rng: Rng) -> None:
    """Paint a garment over neck and shoulders; one in five is near the colour of skin."""
    style = tuple(_NECKLINES)[rng.integers(len(_NECKLINES))]
    if rng.random() < 0.2:
        base = colours.skin(rng.uniform(0.1, 0.75), rng.uniform(-1, 1)) * rng.uniform(0.8, 1.1)
    else:
        base = colours.sample(rng, (0.05, 0.85), (0.08, 0.95))
    depth, side, top = _NECKLINES[style]
    side += 0 if person.feminine else 0.1
    right = [(0.0, depth), (side * 0.6, depth - (0.2 if style == "v_neck" else 0.06))]
    right += [(side, top + (0.2 if style == "boat" else 0)), (side + 0.35, top + 0.22)]
    right += [(1.75, 2.05), (2.25, 2.6), (2.45, 5.0)]
    points = np.array([(-x, y) for x, y in reversed(right)] + right[1:])
    alpha = fields.fill(frame.shape, frame.flat(fields.smooth_curve(points, 90)))
    if not alpha.any():
        return
    unit, box = frame.unit_px, bounding_box(alpha)
    height = fields.inflate(alpha, 0.5 * unit)
    height[box] += 0.03 * unit * fields.fractal_noise(rng, height[box].shape, 0.7 * unit, 2)
    albedo = np.zeros((*frame.shape, 3), np.float32)
    albedo[box] = _cloth_pattern(rng, height[box].shape, unit, base)
    surface = Surface(albedo, gloss=float(rng.choice([0.0, 0.04])))
    canvas.paint_solid(Solid(alpha, height, surface), Part.CLOTH, lift_px=0.05 * unit)
    if style == "shirt":
        surface = Surface(np.clip(base * 1.12, 0, 0.95))
        for s in (-1, 1):
            wing = [(s * side, 1.48), (s * 0.08, 2.08), (s * 0.42, 2.46), (s * (side + 0.25), 1.84)]
            alpha = fields.fill(frame.shape, frame.flat(np.array(wing)))
            collar = Solid(alpha, fields.inflate(alpha, 0.12 * unit), surface)
            canvas.paint_solid(collar, Part.CLOTH, lift_px=0.04 * unit)


def _cloth_pattern(rng: Rng, shape: Shape, unit_px: float, base: np.ndarray) -> np.ndarray:
    """Draw woven cloth: plain, striped or checked; (H, W, 3) linear RGB."""
    x, y = (axis / unit_px * rng.uniform(2, 5) % 1 for axis in fields.grid(shape))
    kind = rng.choice(["stripes", "rings", "checks", "plain"], p=[0.2, 0.2, 0.2, 0.4])
    other = colours.sample(rng, (0.0, 0.8), (0.1, 0.95))
    weave = 1 + 0.06 * fields.value_noise(rng, shape, 2)
    if kind == "plain":
        return colours.scaled(base, weave)
    stripes, rings = 0.7 * (x < 0.35), 0.7 * (y < 0.4)
    checks = 0.4 * (x < 0.5) + 0.4 * (y < 0.5)
    weight = {"stripes": stripes, "rings": rings, "checks": checks}[str(kind)]
    pattern = colours.mix(base, other, fields.blur(weight.astype(np.float32), 1))
    return colours.scaled(pattern, weave)


def _paint_ears(canvas: Canvas, frame: Frame, person: Person, rings: bool) -> None:
    unit, yaw = frame.unit_px, frame.view.yaw_rad
    base = colours.skin(person.tone, person.warmth) * np.array([1.0, 0.84, 0.82], np.float32)
    for side in (-1, 1):
        x, y = frame.project(np.array([[side * 1.0, 0.2, 0.02]]))[0]
        wide = 0.13 * (1 - side * np.sin(yaw) * 0.9)
        if wide < 0.03:
            continue
        turn = frame.view.roll_rad + side * 0.16
        alpha = fields.fill(frame.shape, fields.ellipse((x, y), (wide * unit, 0.3 * unit), turn))
        middle, radii = (x - side * 0.02 * unit, y), (wide * 0.6 * unit, 0.19 * unit)
        inner = fields.fill(frame.shape, fields.ellipse(middle, radii, turn))
        box = bounding_box(alpha)
        bowl = fields.blur(inner[box], 0.03 * unit)
        height = fields.inflate(alpha[box], 0.09 * unit) - 0.09 * unit * bowl
        surface = Surface(colours.scaled(base, 1 - 0.35 * bowl), SKIN_WRAP, gloss=0.04)
        lit = shade(surface, height, canvas.light)
        canvas.paint(alpha, lit, Part.L_EAR if side > 0 else Part.R_EAR)
        if rings:
            x, y = frame.project(np.array([[side * 1.0, 0.56, 0.02]]))[0]
            ring = fields.fill(frame.shape, fields.ellipse((x, y), (0.055 * unit, 0.055 * unit)))
            gold = Surface(np.array([0.75, 0.5, 0.18], np.float32), gloss=0.9, shininess=32)
            canvas.paint_solid(Solid(ring, fields.inflate(ring, 0.055 * unit), gold), Part.EAR_R)


def face_landmarks(portrait: Portrait) -> tuple[np.ndarray, np.ndarray]:
    """Return the landmarks of a portrait, in the order of `LANDMARKS`.

    A landmark is hidden where the pixel's label is none of the face; the chin, whose point may
    fall just below the face, where an occluder changed the label. Returns (29, 2) float64 (x, y) in
    final pixels, and (29,) bool, True where the point is hidden.
    """
    frame, head, person = portrait.frame, portrait.head, portrait.person
    points = head.on_face(_landmarks_on_plane(person, frame.view, head.length))
    points[LANDMARKS.index("nose tip"), 2] += 0.34 * person.nose_high
    points[LANDMARKS.index("nose bottom"), 2] += 0.12
    points[[LANDMARKS.index("nose left"), LANDMARKS.index("nose right")], 2] += 0.08
    pixels = frame.project(points)
    column, row = np.clip(pixels.astype(int), 0, np.array(frame.shape[::-1]) - 1).T
    labels, uncovered = portrait.canvas.labels[row, column], portrait.uncovered[row, column]
    hidden = ~np.isin(labels, FACE_PARTS)
    chin = LANDMARKS.index("chin")
    hidden[chin] = labels[chin] != uncovered[chin]
    return np.rint(pixels / SUPERSAMPLE * 1024) / 1024, hidden  # the last bits differ by CPU


def _landmarks_on_plane(person: Person, view: View, length: float) -> np.ndarray:
    points = {}
    for side, name in ((-1, "left"), (1, "right")):
        t = np.array([0.0, 0.5, 1.0])
        brow_x = side * (BROW_SPAN[0] + (BROW_SPAN[1] - BROW_SPAN[0]) * t)
        line, half = relief.brow_line(person, t), relief.brow_half(person, t)
        points[f"{name} brow inner"] = (brow_x[0], line[0])
        points[f"{name} brow outer"] = (brow_x[2], line[2])
        points[f"{name} brow top"] = (brow_x[1], line[1] - half[1])
        points[f"{name} brow bottom"] = (brow_x[1], line[1] + half[1])
        upper, lower = relief.eye_lids(person, view, np.array([-1.0, 0.0, 1.0]))
        eye = side * person.eye_x
        points[f"{name} eye inner"] = (eye - side * person.eye_size, upper[0])
        points[f"{name} eye outer"] = (eye + side * person.eye_size, upper[2])
        points[f"{name} eye top"] = (eye, upper[1])
        points[f"{name} eye bottom"] = (eye, lower[1])
        gaze_x, gaze_y = (g * person.eye_size for g in view.gaze_xy)
        points[f"{name} pupil"] = (eye + gaze_x, gaze_y - 0.012)
        points[f"nose {name}"] = (side * 0.2 * person.nose_width, person.nose_length - 0.02)
        corner = relief.mouth_edges(person, view, np.array([float(side)]))[1, 0]
        points[f"mouth {name}"] = (side * relief.mouth_half(person, view), corner)
    points["nose tip"] = (0, person.nose_length - 0.07)
    points["nose bottom"] = (0, person.nose_length + 0.07)
    lips = relief.mouth_edges(person, view, np.array([0.0]))[:, 0]
    for name, y in zip(LANDMARKS[24:28], lips, strict=True):
        points[name] = (0, y)
    points["chin"] = (0, length - 0.03)
    return np.array([points[name] for name in LANDMARKS], float)
