"""People: what stays with a person, what changes between photographs, and the head."""

from dataclasses import dataclass

import numpy as np

from face_occlusion.miniature import colours, fields
from face_occlusion.miniature.fields import Box, Rng, Shape

_GOLDEN = (5**0.5 - 1) / 2
HAIR_STYLES = (
    "bald", "buzz", "short", "side_part", "quiff", "curly", "afro",
    "long", "wavy", "bob_fringe", "bun", "curtain",
)  # fmt: skip
BEARDS = ("none", "stubble", "moustache", "goatee", "full")
_MASCULINE_HAIR = (0.1, 0.13, 0.19, 0.15, 0.11, 0.1, 0.07, 0.04, 0.02, 0.0, 0.03, 0.06)
_FEMININE_HAIR = (0.02, 0.02, 0.05, 0.07, 0.02, 0.1, 0.08, 0.2, 0.16, 0.13, 0.09, 0.06)


@dataclass(frozen=True)
class Person:
    """What all photographs of one person share. Lengths in half face widths."""

    tone: float  # skin, 0 very light to 1 very dark
    warmth: float  # undertone, -1 rosy to 1 golden
    feminine: bool  # whether drawn with the ranges of women's portraits
    age: float  # 0 young to 1 old: lines, grey hair
    jaw: float  # factor on the outline's width, as chin and cheek
    chin: float
    cheek: float
    length: float  # height of the chin under the eyes
    eye_x: float
    eye_size: float
    eye_open: float
    eye_slant: float
    iris: np.ndarray  # (3,) linear RGB
    brow_thick: float
    brow_arch: float
    brow_y: float
    nose_width: float
    nose_length: float
    nose_high: float
    mouth_y: float
    mouth_width: float
    lips: float  # fullness
    hair: str  # name of its colour
    hair_style: str  # one of HAIR_STYLES
    hair_volume: float  # factor on its thickness
    hairline: float  # Y of the forehead's upper end
    beard: str  # one of BEARDS
    freckles: float  # 0 none to 1 many
    details: int  # seed of what is drawn at random but stays with the person (moles, strands)


@dataclass(frozen=True)
class View:
    """What one photograph adds: pose and expression."""

    centre_xy: tuple[float, float]  # point between the eyes, shares of (width, height)
    unit_frac: float  # half a face width over the picture's height
    roll_rad: float  # turn in the plane, clockwise
    yaw_rad: float  # turn to the viewer's right
    pitch: float  # turn upward: shift of the features per unit of depth
    smile: float  # -0.2 sullen to 1
    mouth_open: float  # 0 closed to 1
    gaze_xy: tuple[float, float]  # shift of the iris, in eye widths
    lids: float  # factor on the opening of the eyes
    make_up: float  # 0 none to 1


def sample_person(rng: Rng, tone: float) -> Person:
    """Sample a person of a given skin tone (0 very light to 1 very dark)."""
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
        iris=colours.sample_iris(rng, tone),
        brow_thick=rng.uniform(0.035, 0.055) if feminine else rng.uniform(0.05, 0.085),
        brow_arch=rng.uniform(0.02, 0.07) + (0.03 if feminine else 0),
        brow_y=rng.uniform(-0.3, -0.25) - (0.02 if feminine else 0),
        nose_width=rng.uniform(0.85, 1.1) + 0.25 * tone * rng.uniform(0.3, 1),
        nose_length=rng.uniform(0.6, 0.7),
        nose_high=rng.uniform(0.85, 1.15) - 0.2 * tone,
        mouth_y=rng.uniform(0.98, 1.05),
        mouth_width=rng.uniform(0.34, 0.42),
        lips=rng.uniform(0.7, 1.1) + 0.45 * tone * rng.uniform(0.4, 1) + (0.12 if feminine else 0),
        hair=_sample_hair_colour(rng, tone, age),
        hair_style=style,
        hair_volume=rng.uniform(0.7, 1.3),
        hairline=rng.uniform(-0.86, -0.7) - (0.06 * age if not feminine else 0),
        beard=beard,
        freckles=float(max(0, rng.normal(0, 0.5))) if tone < 0.35 else 0.0,
        details=int(rng.integers(2**31)),
    )


def _sample_hair_colour(rng: Rng, tone: float, age: float) -> str:
    if age > 0.62 and rng.random() < 0.7:
        return str(rng.choice(["grey", "white"]))
    if tone > 0.5:
        return str(rng.choice(["black", "dark_brown"], p=[0.7, 0.3]))
    if tone > 0.3:
        return str(rng.choice(["black", "dark_brown", "brown", "auburn"], p=[0.4, 0.35, 0.2, 0.05]))
    names = ["black", "dark_brown", "brown", "light_brown", "auburn", "ginger", "blond", "platinum"]
    return str(rng.choice(names, p=[0.1, 0.18, 0.2, 0.15, 0.08, 0.07, 0.16, 0.06]))


def sample_view(rng: Rng, person: Person) -> View:
    """Sample pose and expression as in an aligned portrait: nearly upright, eyes in place."""
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


def even_tone(index: int) -> float:
    """Return the skin tone of an index: neighbouring indices spread evenly over [0, 1)."""
    return (0.07 + index * _GOLDEN) % 1


def person_of(identity: int, seed: int) -> Person:
    """Return the person of an identity."""
    return sample_person(np.random.default_rng([identity, seed, 11]), even_tone(identity))


def picture_rng(identity: int, picture: int, seed: int) -> Rng:
    """Return the source of all that is drawn for one picture of a person."""
    return np.random.default_rng([identity, picture, seed, 12])


X_LIMIT = 1.15  # the face's texture covers X in [-X_LIMIT, X_LIMIT]
Y_TOP, Y_BOTTOM = -1.5, 1.75  # and Y in [Y_TOP, Y_BOTTOM]
_CROWN = -1.38


@dataclass(frozen=True)
class Frame:
    """Where a head sits in the picture.

    Head coordinates: X to the picture's right, Y down, Z to the viewer; origin between the eyes on
    the head's axis; unit half a face width.
    """

    shape: Shape  # (height, width) of the drawing in pixels
    origin_xy: tuple[float, float]  # pixel of the origin
    unit_px: float  # pixels per unit
    view: View  # the pose

    def flat(self, points: np.ndarray) -> np.ndarray:
        """Place (N, 2) points of the upright picture plane, in units: roll, scale, shift."""
        return fields.rotate(points, self.view.roll_rad) * self.unit_px + self.origin_xy

    def project(self, points: np.ndarray) -> np.ndarray:
        """Place (N, 3) head coordinates: yaw and pitch first. Returns (N, 2) pixels."""
        x, y, z = np.asarray(points, float).T
        yaw = self.view.yaw_rad
        turned = [x * np.cos(yaw) + z * np.sin(yaw), y - self.view.pitch * (z - 0.2)]
        return self.flat(np.stack(turned, axis=1))


class Head:
    """The outline and the depth of a person's head, without its relief."""

    def __init__(self, person: Person) -> None:
        length = person.length + (0.07 if person.beard == "full" else 0)  # the beard's
        cheek, jaw, chin = person.cheek, person.jaw, person.chin
        points = [(0, _CROWN), (0.52, -1.25), (0.84, -0.92), (0.965, -0.45), (0.98 * cheek, 0.05)]
        points += [(0.945 * cheek, 0.42), (0.86 * jaw, 0.55 * length), (0.71 * jaw, 0.75 * length)]
        points += [(0.47 * (jaw + chin) / 2, 0.915 * length), (0.25 * chin, 0.985 * length)]
        half = np.array([*points, (0, length)])
        closed = np.concatenate([half, half[-2:0:-1] * (-1, 1)])
        outline = fields.smooth_curve(closed, 4000, closed=True)
        right = outline[outline[:, 0] >= 0]
        right = right[np.argsort(right[:, 1])]
        self.rows = np.linspace(right[0, 1], right[-1, 1], 1600)
        self.widths = np.maximum(np.interp(self.rows, right[:, 1], right[:, 0]), 0.01)
        self.length = length

    def width(self, y: np.ndarray | float) -> np.ndarray:
        """Return the half width at height y, at least 0.01."""
        return np.interp(y, self.rows, self.widths)

    def depth(self, y: np.ndarray | float) -> np.ndarray:
        """Return the half depth at height y: flatter than a lathe would make it."""
        return 0.98 * np.clip(self.width(y), 0.01, 1) ** 0.42

    def forward(self, y: np.ndarray | float) -> np.ndarray:
        """Return how far the head's axis lies in front of the neck's at height y."""
        return 0.12 * np.clip((np.asarray(y, float) - 0.4) / 1.0, 0, 1)

    def front(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the depth Z of the face at (x, y), 0 outside the outline."""
        share = np.clip(1 - (x / self.width(y)) ** 2, 0, 1)
        return self.depth(y) * np.sqrt(share) + self.forward(y)

    def on_face(self, points: np.ndarray) -> np.ndarray:
        """Lift (N, 2) points (X, Y) onto the face: (N, 3)."""
        return np.column_stack([points, self.front(points[:, 0], points[:, 1])])

    def outline(self, frame: Frame) -> np.ndarray:
        """Return the silhouette as seen: (N, 2) pixels."""
        yaw = frame.view.yaw_rad
        c, s = np.cos(yaw), np.sin(yaw)
        turn = np.linspace(0, np.pi, 90)  # rows close up where the outline curves most
        rows = self.rows[np.rint((1 - np.cos(turn)) / 2 * (len(self.rows) - 1)).astype(int)]
        extent = np.hypot(self.width(rows) * c, self.depth(rows) * s * 0.9)
        extent[[0, -1]] = 0
        middle = self.forward(rows) * s
        right = np.stack([middle + extent, rows], axis=1)
        left = np.stack([middle - extent, rows], axis=1)[::-1]
        return frame.flat(np.concatenate([right, left[1:-1]]))

    def alpha(self, frame: Frame) -> np.ndarray:
        """Return the silhouette's coverage, (H, W) float32."""
        return fields.fill(frame.shape, self.outline(frame))


@dataclass(frozen=True)
class FaceMap:
    """For each pixel of a box around the head: depth, and the place on the texture."""

    box: Box  # slices of the drawing
    height_px: np.ndarray  # (h, w) float32 depth with relief, in pixels
    # (h, w) float32 pixel indices on the texture
    texture_x: np.ndarray
    texture_y: np.ndarray

    def sample(self, texture: np.ndarray, nearest: bool = False) -> np.ndarray:
        """Look a texture up at each pixel of the box."""
        x, y = self.texture_x, self.texture_y
        if not nearest:
            return fields.lookup(texture, x, y)
        column = np.clip(np.rint(x).astype(int), 0, texture.shape[1] - 1)
        return texture[np.clip(np.rint(y).astype(int), 0, texture.shape[0] - 1), column]


def map_face(head: Head, frame: Frame, relief: np.ndarray, density: float) -> FaceMap:
    """Find the face behind each pixel: rays parallel to Z meet an ellipse in each row.

    The relief moves the point met, found by iterating twice: a turned nose is seen from its side.
    It is a (h, w) float32 texture of heights over the smooth head in units, with `density` pixels
    per unit.
    """
    box = fields.box_around(frame.shape, head.outline(frame), 3)
    if box is None:
        raise ValueError(f"a head at {frame.origin_xy} lies outside of a picture of {frame.shape}")
    cos_roll, sin_roll = np.cos(frame.view.roll_rad), np.sin(frame.view.roll_rad)
    px = np.arange(box[1].start, box[1].stop, dtype=np.float32) + 0.5 - frame.origin_xy[0]
    py = np.arange(box[0].start, box[0].stop, dtype=np.float32) + 0.5 - frame.origin_xy[1]
    px, py = px[None] / np.float32(frame.unit_px), py[:, None] / np.float32(frame.unit_px)
    x = px * np.float32(cos_roll) + py * np.float32(sin_roll)
    y = py * np.float32(cos_roll) - px * np.float32(sin_roll)
    c, s = np.float32(np.cos(frame.view.yaw_rad)), np.float32(np.sin(frame.view.yaw_rad))
    fine = (np.clip((y - Y_TOP) / (Y_BOTTOM - Y_TOP), 0, 1) * 8191).astype(np.int32)
    rows = np.linspace(Y_TOP, Y_BOTTOM, 8192)
    width = head.width(rows).astype(np.float32)[fine]
    depth = head.depth(rows).astype(np.float32)[fine]
    forward = head.forward(rows).astype(np.float32)[fine]
    ww, dd = 1 / (width * width), 1 / (depth * depth)
    reach = np.sqrt((width * c) ** 2 + (depth * s) ** 2)
    centred = np.clip(x - forward * s, -reach, reach)  # off the head, its edge
    a = s * s * ww + c * c * dd
    b = centred * (s * c) * (dd - ww)
    k = centred * centred * (c * c * ww + s * s * dd) - 1
    z = (-b + np.sqrt(np.maximum(b * b - a * k, 0))) / a + forward * c
    rise, u, v = np.zeros_like(z), z, z
    for _ in range(2):
        raised = z + rise
        u = (x * c - raised * s + X_LIMIT) * np.float32(density)
        v = (y + np.float32(frame.view.pitch) * (raised - 0.2) - Y_TOP) * np.float32(density)
        rise = fields.lookup(relief, u, v)
    return FaceMap(box, (z + rise) * np.float32(frame.unit_px), u - 0.5, v - 0.5)
