"""Hands: a palm of fanned bones, five jointed fingers, nails, creases, an arm."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from face_occlusion.miniature import colours, fields
from face_occlusion.miniature.canvas import Canvas, Solid
from face_occlusion.miniature.fields import Capsule, Rng
from face_occlusion.miniature.light import SKIN_WRAP, Surface

# Knuckle (x, y), finger length and radius; unit: width of the palm, fingers point to -y.
_KNUCKLES = ((-0.36, -0.02), (-0.12, -0.1), (0.12, -0.08), (0.34, 0.03))
_LENGTHS = (0.86, 0.97, 0.9, 0.7)
_RADII = (0.117, 0.122, 0.115, 0.1)
_JOINTS = (0.0, 0.46, 0.74, 1.0)  # shares of a finger's length
_RED_RADII = (0.1, 0.09, 0.08, 0.13)  # of the redder skin at each joint
_PALM_LINES = [
    [(-0.5, 0.28), (-0.15, 0.35), (-0.08, 0.9)],
    [(-0.48, 0.24), (-0.05, 0.3), (0.35, 0.55)],
    [(0.44, 0.2), (0.1, 0.22), (-0.25, 0.03)],
    [(-0.25, 1.0), (0.0, 1.04), (0.22, 1.0)],
]


@dataclass(frozen=True)
class Hand:
    """A hand and its posture."""

    tone: float  # skin, as in `Person`
    warmth: float  # undertone, likewise
    dorsal: bool  # whether the back of the hand is seen
    mirrored: bool  # whether the thumb lies on the right when the fingers point up
    spread: float  # 0 fingers together to 1 wide apart
    curls: tuple[float, ...]  # shortening of each finger, thumb last: 0 straight to 0.7 folded
    slim: float  # factor on all radii
    nails: np.ndarray | None  # (3,) linear RGB of painted nails, or None
    sleeve: np.ndarray | None  # (3,) linear RGB of a sleeve, or None for a bare arm
    watch: bool  # whether a dark band lies on the wrist


def sample_hand(rng: Rng, tone: float) -> Hand:
    """Sample a hand of a given skin tone; most are open, as on a copy stand."""
    curls = tuple(float(c) for c in np.clip(rng.normal(0.05, 0.05, 5), 0, 0.2))
    if rng.random() < 0.25:
        folded = rng.random(5) < 0.4
        pairs = zip(folded, curls, strict=True)
        curls = tuple(float(rng.uniform(0.45, 0.68)) if f else c for f, c in pairs)
    return Hand(
        tone=tone,
        warmth=rng.uniform(-1, 1),
        dorsal=bool(rng.random() < 0.56),
        mirrored=bool(rng.random() < 0.5),
        spread=rng.uniform(0, 1),
        curls=curls,
        slim=rng.uniform(0.86, 1.08),
        nails=colours.sample(rng, (0.4, 0.95), (0.3, 0.95)) if rng.random() < 0.15 else None,
        sleeve=colours.sample(rng, (0.05, 0.8), (0.08, 0.9)) if rng.random() < 0.18 else None,
        watch=bool(rng.random() < 0.08),
    )


@dataclass(frozen=True)
class HandPlace:
    """Where a hand lies."""

    knuckles_xy: np.ndarray  # pixel of the middle knuckle
    unit_px: float  # width of the palm in pixels
    pointing_rad: float  # where the fingers point, 0 right, growing clockwise on the screen
    lift_px: float  # distance from what lies below
    arm: float = 6.0  # length of the arm in palm widths


@dataclass(frozen=True)
class _Finger:
    points: np.ndarray  # (4, 2) joints from knuckle to tip, in the hand's plane
    radius: float
    z: tuple[float, ...]


def _fingers(hand: Hand) -> list[_Finger]:
    fingers = []
    fan = np.deg2rad(np.array([-9, -2, 4, 11]) * (0.35 + 1.5 * hand.spread))
    for k in range(4):
        length = _LENGTHS[k] * (1 - hand.curls[k])
        direction = fields.rotate(np.array([0, -1]), fan[k])
        points = np.array(_KNUCKLES[k]) + np.outer(np.array(_JOINTS) * length, direction)
        lift = 0.28 * hand.curls[k]
        fingers.append(_Finger(points, _RADII[k] * hand.slim, (0.0, lift, lift, 0.5 * lift)))
    reach = 1 - 0.6 * hand.curls[4]
    angle = np.deg2rad(-32 - 26 * hand.spread)
    root = np.array([-0.42, 0.62])
    first = root + 0.34 * fields.rotate(np.array([0, -1]), angle)
    second = first + 0.3 * reach * fields.rotate(np.array([0, -1]), angle * 0.75)
    tip = second + 0.22 * reach * fields.rotate(np.array([0, -1]), angle * 0.65)
    thumb = np.array([root, first, second, tip])
    return [*fingers, _Finger(thumb, 0.135 * hand.slim, (0.0, 0.05, 0.05, 0.03))]


class HandPainter:
    """Paints one hand into one picture, where it gets a label."""

    def __init__(self, canvas: Canvas, hand: Hand, place: HandPlace, rng: Rng, label: int) -> None:
        self.canvas, self.hand, self.place, self.rng, self.label = canvas, hand, place, rng, label
        self.shape, self.unit, self.fingers = canvas.shape, place.unit_px, _fingers(hand)

    def paint(self) -> np.ndarray:
        """Paint a hand with its arm; returns the coverage of hand, arm and sleeve."""
        unit, hand, shape = self.unit, self.hand, self.shape
        alpha, height = fields.join_capsules(shape, self._capsules(), 0.022 * unit)
        creases = self._creases()
        height = height - 0.02 * unit * creases
        height += 0.0008 * unit * fields.value_noise(self.rng, shape, max(0.02 * unit, 1))
        if hand.dorsal:
            height += 0.004 * unit * fields.fractal_noise(self.rng, shape, 0.25 * unit, 2)
        surface = Surface(self._skin(creases), SKIN_WRAP, gloss=0.06 + 0.05 * hand.tone)
        solid = Solid(alpha, height, surface)
        self.canvas.paint_solid(solid, self.label, lift_px=self.place.lift_px)
        if hand.dorsal:
            self._paint_nails()
        return np.maximum(alpha, self._paint_wrist())

    def _pixels(self, points: Any) -> np.ndarray:
        """Place (N, 2) points of the hand's own plane."""
        plane = np.asarray(points, float) * ((-1, 1) if self.hand.mirrored else (1, 1))
        turned = fields.rotate(plane, self.place.pointing_rad + np.pi / 2)
        return turned * self.unit + self.place.knuckles_xy

    def _rod(self, ends: Any, radii: Any, z: Any = (0, 0)) -> Capsule:
        """Place a rod: (2, 2) ends, two radii and two heights, in the hand's own plane."""
        start, end = self._pixels(ends)
        return Capsule(start, end, *(value * self.unit for value in (*radii, *z)))

    def _capsules(self) -> list[Capsule]:
        rods = []
        for k, knuckle in enumerate(np.array(_KNUCKLES)):
            wrist = np.array([-0.16 + 0.1 * k, 0.95])
            rods.append(self._rod([knuckle, wrist], (0.15, 0.17), (0.02, 0.0)))
            ends = (knuckle + wrist) / 2 + np.array([(0, 0), (0.02, 0.1)])
            rods.append(self._rod(ends, (0.2, 0.2), (-0.04, -0.04)))
        rods.append(self._rod([(-0.42, 0.55), (-0.12, 0.95)], (0.17, 0.2), (0.02, 0.0)))
        for finger in self.fingers:
            radii = finger.radius * np.array([1.1, 1.0, 0.93, 0.76])
            for j in (slice(0, 2), slice(1, 3), slice(2, 4)):
                rods.append(self._rod(finger.points[j], radii[j], finger.z[j]))
        wide = 0.3 * (0.6 + 0.4 * self.hand.slim)
        rods.append(self._rod([(-0.02, 0.95), (0, 1.35)], (wide * 1.02, wide), (-0.1, -0.1)))
        arm = [(0, 1.35), (0, 1.3 + self.place.arm)]
        return [*rods, self._rod(arm, (wide, wide * 1.4), (-0.1, -0.1))]

    def _skin(self, creases: np.ndarray) -> np.ndarray:
        """Return the skin's colours: redder near the joints, darker in the creases; (H, W, 3)."""
        hand, red = self.hand, np.zeros(self.shape, np.float32)
        for finger in self.fingers:
            for (x, y), radius in zip(self._pixels(finger.points), _RED_RADII, strict=True):
                disc = fields.ellipse((x, y), (radius * self.unit, radius * self.unit))
                np.maximum(red, fields.fill(self.shape, disc), out=red)
        red = fields.blur(red, 0.06 * self.unit)
        tone = hand.tone if hand.dorsal else 0.2 + 0.45 * hand.tone
        base = colours.skin(tone, hand.warmth - (0 if hand.dorsal else 0.4))
        mottle = fields.fractal_noise(self.rng, self.shape, 0.25 * self.unit, 3)
        weight = np.clip(0.4 * red * (1 - 0.6 * hand.tone) + 0.06 * mottle, 0, 1)
        albedo = colours.mix(base, base * np.array([1.03, 0.7, 0.66], np.float32), weight)
        return colours.scaled(albedo, 1 + 0.03 * mottle - 0.3 * creases)

    def _creases(self) -> np.ndarray:
        """Return the strength of the creases at the joints and in the palm, (H, W) in [0, 1]."""
        dorsal, lines = self.hand.dorsal, []
        for finger in self.fingers:
            along = finger.points[3] - finger.points[0]
            length = max(np.hypot(*along), 1e-6)
            half = finger.radius * (0.55 if dorsal else 0.85)
            across = half * np.array([-along[1], along[0]]) / length
            for joint in finger.points[(1 if dorsal else 0) : 3]:
                for shift in (-0.03, 0.0, 0.03) if dorsal else (0.0, 0.025):
                    middle = joint + shift * along / length
                    lines.append([middle - across, middle + 0.02 * along, middle + across])
        if not dorsal:
            lines += _PALM_LINES
        curves = [self._pixels(fields.smooth_curve(np.array(line), 10)) for line in lines]
        width_px = 0.012 * self.unit
        return np.clip(fields.blur(fields.stroke(self.shape, curves, width_px), width_px), 0, 1)

    def _paint_nails(self) -> None:
        hand = self.hand
        base = colours.skin(hand.tone * 0.7, -0.5) * np.array([1.05, 0.86, 0.84], np.float32)
        colour = hand.nails if hand.nails is not None else np.clip(base, 0, 0.9)
        surface = Surface(colour, SKIN_WRAP, gloss=0.35, shininess=32)
        for finger, curl in zip(self.fingers, hand.curls, strict=True):
            if curl > 0.4:
                continue
            tip, before = self._pixels(finger.points[[3, 2]])
            along = (tip - before) / np.hypot(*(tip - before))
            x, y = tip + along * 0.018 * self.unit
            size = finger.radius * self.unit
            turn = float(np.arctan2(along[1], along[0]))
            nail = fields.ellipse((x, y), (0.62 * size, 0.44 * size), turn)
            alpha = fields.fill(self.shape, nail)
            height = fields.blur(alpha, 0.2 * size) * 0.35 * size
            self.canvas.paint_solid(Solid(0.9 * alpha, height, surface), self.label)

    def _paint_wrist(self) -> np.ndarray:
        """Paint a sleeve or a watch and return its coverage, (S H, S W) float32."""
        hand, unit = self.hand, self.unit
        if hand.sleeve is not None:
            rod = self._rod([(0, 1.55), (0, 1.5 + self.place.arm)], (0.42, 0.62))
            alpha, height = fields.join_capsules(self.shape, [rod], 1)
            height += 0.05 * unit * fields.fractal_noise(self.rng, self.shape, 0.3 * unit, 3)
            solid = Solid(alpha, height, Surface(hand.sleeve, gloss=0.02))
            self.canvas.paint_solid(solid, self.label, lift_px=0.05 * unit)
            return alpha
        if hand.watch:
            rod = self._rod([(-0.32, 1.3), (0.32, 1.3)], (0.1, 0.1))
            alpha, height = fields.join_capsules(self.shape, [rod], 1)
            dark = np.array([0.03, 0.03, 0.035], np.float32)
            self.canvas.paint_solid(Solid(alpha, height, Surface(dark, gloss=0.5)), self.label)
            return alpha
        return np.zeros(self.shape, np.float32)
