"""Who is in the picture: what stays with a person, and what changes between photographs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

HAIR_STYLES = (
    "bald", "buzz", "short", "side_part", "quiff", "curly", "afro",
    "long", "wavy", "bob_fringe", "bun", "curtain",
)  # fmt: skip
BEARDS = ("none", "stubble", "moustache", "goatee", "full")
_MASCULINE_HAIR = (0.1, 0.13, 0.19, 0.15, 0.11, 0.1, 0.07, 0.04, 0.02, 0.0, 0.03, 0.06)
_FEMININE_HAIR = (0.02, 0.02, 0.05, 0.07, 0.02, 0.1, 0.08, 0.2, 0.16, 0.13, 0.09, 0.06)


@dataclass(frozen=True)
class Person:
    """What all photographs of one person share. Lengths in half face widths.

    Attributes:
        tone: Skin, 0 very light to 1 very dark.
        warmth: Undertone, -1 rosy to 1 golden.
        feminine: Whether drawn with the ranges of women's portraits.
        age: 0 young to 1 old: lines, grey hair.
        jaw, chin, cheek: Factors on the widths of the head's outline.
        length: Height of the chin under the eyes.
        eye_x, eye_size, eye_open, eye_slant: Place and shape of the eyes.
        iris: (3,) linear RGB.
        brow_thick, brow_arch, brow_y: Shape of the brows.
        nose_width, nose_length, nose_high: Shape of the nose.
        mouth_y, mouth_width, lips: Place and size of the mouth, fullness of the lips.
        hair, hair_style, hair_volume, hairline: Colour name, style, thickness, forehead's height.
        beard: One of BEARDS.
        freckles: 0 none to 1 many.
        details: Seed of what is drawn at random but stays with the person (moles, strands).
    """

    tone: float
    warmth: float
    feminine: bool
    age: float
    jaw: float
    chin: float
    cheek: float
    length: float
    eye_x: float
    eye_size: float
    eye_open: float
    eye_slant: float
    iris: np.ndarray
    brow_thick: float
    brow_arch: float
    brow_y: float
    nose_width: float
    nose_length: float
    nose_high: float
    mouth_y: float
    mouth_width: float
    lips: float
    hair: str
    hair_style: str
    hair_volume: float
    hairline: float
    beard: str
    freckles: float
    details: int


@dataclass(frozen=True)
class View:
    """What one photograph adds: pose and expression.

    Attributes:
        centre_xy: Point between the eyes, as fractions of the picture's (width, height).
        unit_frac: Half a face width over the picture's height.
        roll_rad, yaw_rad, pitch: Turn in the plane (clockwise), to the viewer's right, upward
            (shift of the features per unit of depth).
        smile: -0.2 sullen to 1.
        mouth_open: 0 closed to 1.
        gaze_xy: Shift of the iris, in eye widths.
        lids: Factor on the opening of the eyes.
        make_up: 0 none to 1.
    """

    centre_xy: tuple[float, float]
    unit_frac: float
    roll_rad: float
    yaw_rad: float
    pitch: float
    smile: float
    mouth_open: float
    gaze_xy: tuple[float, float]
    lids: float
    make_up: float


def draw_person(rng: np.random.Generator, tone: float) -> Person:
    """Draw a person of a given skin tone (0 very light to 1 very dark)."""
    from face_occlusion.miniature.colours import iris_colour

    feminine = bool(rng.random() < 0.5)
    age = float(rng.beta(1.3, 2.2))
    style = str(rng.choice(HAIR_STYLES, p=_FEMININE_HAIR if feminine else _MASCULINE_HAIR))
    if tone < 0.35 and style == "afro":
        style = "curly"
    beard = "none" if feminine else str(rng.choice(BEARDS, p=(0.4, 0.22, 0.07, 0.11, 0.2)))
    return Person(
        tone=tone,
        warmth=rng.uniform(-1, 1),
        feminine=feminine,
        age=age,
        jaw=rng.uniform(0.86, 0.98) if feminine else rng.uniform(0.93, 1.1),
        chin=rng.uniform(0.8, 1.0) if feminine else rng.uniform(0.92, 1.2),
        cheek=rng.uniform(0.95, 1.05),
        length=rng.uniform(1.38, 1.52) + (0 if feminine else 0.05),
        eye_x=rng.uniform(0.39, 0.43),
        eye_size=rng.uniform(0.19, 0.22) + (0.012 if feminine else 0),
        eye_open=rng.uniform(0.8, 1.2) + (0.08 if feminine else 0),
        eye_slant=rng.normal(0.035, 0.03),
        iris=iris_colour(rng, tone),
        brow_thick=rng.uniform(0.035, 0.055) if feminine else rng.uniform(0.05, 0.085),
        brow_arch=rng.uniform(0.02, 0.07) + (0.03 if feminine else 0),
        brow_y=rng.uniform(-0.3, -0.25) - (0.02 if feminine else 0),
        nose_width=rng.uniform(0.85, 1.1) + 0.25 * tone * rng.uniform(0.3, 1),
        nose_length=rng.uniform(0.6, 0.7),
        nose_high=rng.uniform(0.85, 1.15) - 0.2 * tone,
        mouth_y=rng.uniform(0.98, 1.05),
        mouth_width=rng.uniform(0.34, 0.42),
        lips=rng.uniform(0.7, 1.1) + 0.45 * tone * rng.uniform(0.4, 1) + (0.12 if feminine else 0),
        hair=_draw_hair(rng, tone, age),
        hair_style=style,
        hair_volume=rng.uniform(0.7, 1.3),
        hairline=rng.uniform(-0.86, -0.7) - (0.06 * age if not feminine else 0),
        beard=beard,
        freckles=float(max(0, rng.normal(0, 0.5))) if tone < 0.35 else 0.0,
        details=int(rng.integers(2**31)),
    )


def _draw_hair(rng: np.random.Generator, tone: float, age: float) -> str:
    if age > 0.62 and rng.random() < 0.7:
        return str(rng.choice(["grey", "white"]))
    if tone > 0.5:
        return str(rng.choice(["black", "dark_brown"], p=[0.7, 0.3]))
    if tone > 0.3:
        return str(rng.choice(["black", "dark_brown", "brown", "auburn"], p=[0.4, 0.35, 0.2, 0.05]))
    names = ["black", "dark_brown", "brown", "light_brown", "auburn", "ginger", "blond", "platinum"]
    return str(rng.choice(names, p=[0.1, 0.18, 0.2, 0.15, 0.08, 0.07, 0.16, 0.06]))


def draw_view(rng: np.random.Generator, person: Person) -> View:
    """Draw pose and expression as in an aligned portrait: nearly upright, eyes in place."""
    smile = float(np.clip(rng.normal(0.45, 0.4), -0.1, 1))
    opened = rng.uniform(0.25, 1) if smile > 0.5 or rng.random() < 0.15 else 0.0
    return View(
        centre_xy=(0.5 + rng.normal(0, 0.012), 0.475 + rng.normal(0, 0.01)),
        unit_frac=0.262 * rng.uniform(0.94, 1.07),
        roll_rad=float(np.deg2rad(rng.normal(0, 4.5))),
        yaw_rad=float(np.deg2rad(np.clip(rng.normal(0, 14), -32, 32))),
        pitch=rng.normal(0, 0.07),
        smile=smile,
        mouth_open=float(opened),
        gaze_xy=(float(np.clip(rng.normal(0, 0.14), -0.3, 0.3)), rng.normal(0, 0.03)),
        lids=rng.uniform(0.8, 1.12) - 0.15 * max(smile, 0),
        make_up=float(rng.uniform(0, 1)) if person.feminine else 0.0,
    )
