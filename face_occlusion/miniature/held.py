"""Occluders of the occluded training subset: hands, food, microphones, hats and eye patches."""

import numpy as np

from face_occlusion.miniature import colours, fields
from face_occlusion.miniature.canvas import Part, Solid
from face_occlusion.miniature.fields import Rng, Spot
from face_occlusion.miniature.hands import HandPainter, HandPlace, sample_hand
from face_occlusion.miniature.light import Surface
from face_occlusion.miniature.objects import OBJECTS
from face_occlusion.miniature.portraits import Portrait

# Called skin in the release's own masks where they lie over a face, as CelebAMask-HQ does.
CALLED_SKIN = ("hand", "studio_microphone", "food")


def hold_hand(portrait: Portrait, rng: Rng) -> None:
    """Hold one hand of the person before the face; the arm leaves the picture."""
    frame, person = portrait.frame, portrait.person
    hand = sample_hand(rng, float(np.clip(person.tone + rng.normal(0, 0.04), 0, 1)))
    side = rng.choice([-1, 1])
    target = np.array([[rng.uniform(-0.5, 0.5), rng.uniform(0.1, 1.2), 1.0]])
    angle = np.deg2rad(rng.uniform(15, 80))  # 0 from the side, 90 from below
    away = np.array([side * np.cos(angle), np.sin(angle)])
    knuckles = frame.project(target)[0] + away * rng.uniform(0.1, 0.7) * frame.unit_px
    pointing = float(np.arctan2(-away[1], -away[0])) + rng.normal(0, 0.2)
    size = rng.uniform(0.8, 1.05) * frame.unit_px
    place = HandPlace(knuckles, size, pointing, lift_px=0.12 * frame.unit_px)
    HandPainter(portrait.canvas, hand, place, rng, Part.OCCLUDER).paint()


def hold_studio_microphone(portrait: Portrait, rng: Rng) -> None:
    """Put a studio microphone before the mouth: a long capsule seen from its side."""
    frame, canvas, unit = portrait.frame, portrait.canvas, portrait.frame.unit_px
    mouth = frame.project(np.array([[rng.normal(0, 0.3), portrait.person.mouth_y, 1.1]]))[0]
    lean = rng.normal(0, 0.25)
    axis = np.array([np.sin(lean), -np.cos(lean)]) * unit
    base = mouth - axis * rng.uniform(1.0, 1.3)
    wide = rng.uniform(0.26, 0.36) * unit
    shares = [(0, 0.8), (0.1, 1), (0.9, 1), (0.96, 0.8), (1, 0.4)]
    top = mouth + axis * rng.uniform(0.35, 0.6)
    alpha, height, along = fields.turned(canvas.shape, base, top, np.array(shares) * (1, wide))
    body = colours.from_hex(("2b2b2e", "b9bcc2", "c9a35a", "5a1f24")[rng.integers(4)])
    _, y = fields.grid(canvas.shape)
    slots = np.where((y / (0.06 * unit)) % 1 < 0.45, 0.35, 1.0)
    tone = np.where(along > 0.42, slots, 1.0).astype(np.float32)
    surface = Surface(colours.scaled(body, tone), gloss=0.5, shininess=32)
    canvas.paint_solid(Solid(alpha, height, surface), Part.OCCLUDER, lift_px=0.15 * unit)


def hold_food(portrait: Portrait, rng: Rng) -> None:
    """Hold something to eat before the mouth."""
    frame = portrait.frame
    kind = str(rng.choice(["apple", "banana", "donut", "carrot", "orange"]))
    mouth = np.array([[rng.normal(0, 0.2), portrait.person.mouth_y + rng.uniform(-0.1, 0.3), 1.1]])
    size = rng.uniform(0.7, 1.0) if kind in ("apple", "orange", "donut") else rng.uniform(1.4, 2.0)
    spot = Spot(frame.project(mouth)[0], size * frame.unit_px, rng.uniform(-1.2, 1.2))
    solid = OBJECTS[kind](frame.shape, spot, rng)
    portrait.canvas.paint_solid(solid, Part.OCCLUDER, lift_px=0.06 * spot.size_px)


def wear_hat(portrait: Portrait, rng: Rng) -> None:
    """Put a knitted or a brimmed hat on."""
    frame, person, unit = portrait.frame, portrait.person, portrait.frame.unit_px
    low = rng.uniform(-0.62, -0.36)
    thick = {"afro": 0.3, "curly": 0.16, "bald": 0, "buzz": 0.02}.get(person.hair_style, 0.12)
    side = 1.05 + thick * person.hair_volume
    rim = [(0, low, 0.8), (0.6, low + 0.03, 0.6), (side, low + 0.18, 0.1)]
    front = [(-x, y, z) for x, y, z in rim[:0:-1]] + rim
    lower = fields.smooth_curve(frame.project(np.array(front)), 40)
    angle = np.linspace(0, np.pi, 30)
    height = rng.uniform(1.55, 1.7) + thick + low + 0.18
    rise = low + 0.18 - height * np.sin(angle) ** 0.7
    dome = np.stack([side * np.cos(angle), rise, 0 * angle], axis=1)
    alpha = fields.fill(frame.shape, np.concatenate([lower, frame.project(dome)]))
    base = colours.sample(rng, (0.05, 0.9), (0.08, 0.9))
    knit = fields.value_noise(rng, frame.shape, max(0.03 * unit, 1), stretch=3)
    bulge = fields.inflate(alpha, 0.7 * unit) + 0.01 * unit * knit
    crown = Solid(alpha, bulge, Surface(colours.scaled(base, 1 + 0.12 * knit)))
    portrait.canvas.paint_solid(crown, Part.HAT, lift_px=0.08 * unit)
    if rng.random() >= 0.6:
        return
    reach, drop = rng.uniform(1.2, 1.75), rng.uniform(0.12, 0.28)
    t = np.linspace(-1, 1, 30)
    under = np.column_stack([reach * t, low + 0.2 + drop * (1 - t * t), np.full(30, 0.9)])
    over = np.column_stack([reach * t[::-1], low + 0.06 - 0.12 * (1 - t * t), np.full(30, 0.6)])
    alpha = fields.fill(frame.shape, frame.project(np.concatenate([under, over])))
    folds = fields.fractal_noise(rng, frame.shape, 0.4 * unit, 2)
    height = fields.inflate(alpha, 0.15 * unit) + 0.01 * unit * folds
    brim = Solid(alpha, height, Surface(base * 0.9))
    portrait.canvas.paint_solid(brim, Part.HAT, lift_px=0.14 * unit)


def wear_eye_patch(portrait: Portrait, rng: Rng) -> None:
    """Put a patch over one eye; the release's layers have `eye_g` for it."""
    frame, canvas, head = portrait.frame, portrait.canvas, portrait.head
    side, unit = rng.choice([-1, 1]), frame.unit_px
    x = side * portrait.person.eye_x
    z = float(head.front(np.array([x]), np.array([0.0]))[0]) + 0.05
    corners = [(-0.3, -0.22), (0, -0.27), (0.3, -0.22), (0.24, 0.14), (0, 0.3), (-0.24, 0.14)]
    edge = np.column_stack([np.array(corners) + np.array([x, 0.02]), np.full(6, z)])
    alpha = fields.fill(frame.shape, fields.smooth_curve(frame.project(edge), 50, closed=True))
    run = [(-side * 0.85, -0.62), (-side * 0.3, -0.42), (x, -0.18), (side * 0.95, 0.02)]
    line = fields.smooth_curve(frame.project(head.on_face(np.array(run))), 20)
    both = np.maximum(alpha, fields.stroke(frame.shape, [line], 0.045 * unit))
    canvas.drop_shadow(both, 0.04 * unit, 0.4)
    surface = Surface(colours.sample(rng, (0.0, 0.6), (0.04, 0.25)), gloss=0.2)
    canvas.paint_solid(Solid(both, fields.inflate(both, 0.2 * unit), surface), Part.EYE_G)


HELD = {
    "hand": hold_hand,
    "studio_microphone": hold_studio_microphone,
    "food": hold_food,
    "hat": wear_hat,
    "eye_patch": wear_eye_patch,
}
