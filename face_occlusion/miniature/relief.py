"""The shape of a face: curves of eyes, brows and mouth, and heights over the smooth head."""

import numpy as np

from face_occlusion.miniature import fields
from face_occlusion.miniature.fields import Box, Rng, bell
from face_occlusion.miniature.person import X_LIMIT, Y_BOTTOM, Y_TOP, Head, Person, View


def eye_lids(person: Person, view: View, across: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the lids' Y (upper, lower) relative to the eye's centre, in units.

    `across` is the position from the inner (-1) to the outer corner (1).
    """
    opening = 0.095 * person.eye_open * view.lids * (person.eye_size / 0.19)
    arch = np.maximum(1 - across**2, 0)
    slant = -person.eye_slant * across
    upper = -opening * arch**0.7 * (1 - 0.12 * across) + slant
    lower = 0.55 * opening * arch**0.9 * (1 + 0.25 * across) + slant
    return upper, lower


def brow_line(person: Person, across: np.ndarray) -> np.ndarray:
    """Return a brow's middle height Y over its length (0 inner to 1 outer end), in units."""
    arch = person.brow_arch * np.sin(np.pi * np.clip(across, 0, 1) ** 1.25)
    return person.brow_y + 0.04 - arch - 0.045 * across + 0.03 * across**4


def brow_half(person: Person, across: np.ndarray) -> np.ndarray:
    """Return a brow's half thickness over its length, in units."""
    return person.brow_thick * (1 - 0.75 * across**1.6) * fields.smoothstep(-0.08, 0.12, across)


BROW_SPAN = (0.15, 0.7)  # |X| of a brow's inner and outer end


def mouth_edges(person: Person, view: View, across: np.ndarray) -> np.ndarray:
    """Return the (4, N) Y in units at which the upper and the lower lip begin and end.

    `across` is the position from the right (-1) to the left corner (1).
    """
    arch = np.maximum(1 - across**2, 0)
    lift = -0.2 * (view.smile + 0.12) * (across**2 - 0.3)
    line = person.mouth_y + lift
    gap = 0.15 * view.mouth_open * arch**0.8
    bow = 1 - 0.2 * np.exp(-((across / 0.13) ** 2))
    bow = bow + 0.1 * np.exp(-(((np.abs(across) - 0.3) / 0.2) ** 2))
    upper = line - 0.22 * gap
    lower = line + 0.78 * gap + 0.008 * np.sin(np.pi * np.abs(across)) ** 2
    top = upper - 0.092 * person.lips * arch**0.75 * bow
    return np.stack([top, upper, lower, lower + 0.118 * person.lips * arch**0.6])


def mouth_half(person: Person, view: View) -> float:
    """Return half the width of the mouth, in units."""
    return person.mouth_width * (1 + 0.18 * max(view.smile, 0))


class TexturePlane:
    """The plane (X, Y) on which a face's textures are drawn, with `density` pixels per unit."""

    def __init__(self, density: float) -> None:
        self.density = density
        self.shape = (int((Y_BOTTOM - Y_TOP) * density), int(2 * X_LIMIT * density))
        # (W,) and (H,) float64 coordinates of the pixel centres, in units
        self.x = (np.arange(self.shape[1]) + 0.5) / density - X_LIMIT
        self.y = (np.arange(self.shape[0]) + 0.5) / density + Y_TOP

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Return the pixels of (N, 2) points (X, Y)."""
        return (np.asarray(points, float) - (-X_LIMIT, Y_TOP)) * self.density

    def bump(self, x: float, y: float, sx: float, sy: float) -> np.ndarray:
        """Return a Gaussian bump of height 1, (H, W) float64."""
        return bell(self.y, y, sy)[:, None] * bell(self.x, x, sx)

    def bumps(self, x: float, y: float, sx: float, sy: float) -> np.ndarray:
        """Return the same bump on both sides, at +x and -x."""
        return bell(self.y, y, sy)[:, None] * (bell(self.x, x, sx) + bell(self.x, -x, sx))

    def patch(self, x: float, y: float, rx: float, ry: float) -> tuple[Box, np.ndarray, np.ndarray]:
        """Return the slices of the rectangle x +- rx, y +- ry, and its x (1, w) and y (h, 1)."""
        columns = np.flatnonzero(np.abs(self.x - x) <= rx)
        rows = np.flatnonzero(np.abs(self.y - y) <= ry)
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        return box, self.x[box[1]][None], self.y[box[0]][:, None]


def face_relief(
    plane: TexturePlane, person: Person, view: View, head: Head, rng: Rng
) -> np.ndarray:
    """Return the heights of a face over its smooth head, (H, W) float32 in units."""
    p, bumps, bump = person, plane.bumps, plane.bump
    smile = max(view.smile, 0)
    height = -0.115 * bumps(p.eye_x - 0.03, -0.01, 0.17, 0.105)
    height += 0.055 * bumps(p.eye_x, 0.015, 0.12, 0.07)  # the eyeballs
    brow = 0.035 if p.feminine else 0.06
    height += brow * bumps(0.36, p.brow_y + 0.03, 0.22, 0.075)
    height += 0.03 * bump(0, p.brow_y, 0.16, 0.12)
    height += (0.055 + 0.05 * smile) * bumps(0.55, 0.42 - 0.05 * smile, 0.2, 0.17)
    height -= 0.03 * bumps(0.62, 0.85, 0.16, 0.2)  # hollow cheeks
    height += 0.05 * bump(0, -0.62, 0.5, 0.25)
    height += _nose(plane, person)
    height += _mouth(plane, person, view, head)
    height -= (0.012 + 0.03 * p.age + 0.035 * smile) * _nasolabial(plane, person)
    height -= (0.01 + 0.02 * p.age) * bumps(p.eye_x, 0.13, 0.13, 0.02)  # under the eyes
    if p.age > 0.35:
        height -= 0.012 * (p.age - 0.2) * _forehead_lines(plane, rng)
    return height.astype(np.float32)


def _nose(plane: TexturePlane, person: Person) -> np.ndarray:
    tip_y, wide = person.nose_length - 0.07, person.nose_width
    patch, x, y = plane.patch(0, 0.25, 0.45, 0.75)
    along = np.clip((y + 0.22) / (tip_y + 0.22), 0, 1.3)
    rise = person.nose_high * (0.03 + 0.22 * along**1.3)
    half = wide * (0.075 + 0.05 * along**2 + 0.03 * fields.smoothstep(-0.05, -0.3, y))
    ridge = rise * bell(x, 0, half) * fields.smoothstep(tip_y + 0.2, tip_y - 0.02, y)
    ridge *= fields.smoothstep(-0.42, -0.1, y)
    height = np.zeros(plane.shape, np.float32)
    height[patch] = ridge
    height += 0.07 * person.nose_high * plane.bump(0, tip_y + 0.02, 0.1 * wide, 0.08)
    height += 0.1 * plane.bumps(0.145 * wide, tip_y + 0.06, 0.055 * wide, 0.06)
    height -= 0.03 * plane.bumps(0.085 * wide, tip_y + 0.125, 0.035, 0.02)
    return height


def _mouth(plane: TexturePlane, person: Person, view: View, head: Head) -> np.ndarray:
    mouth, half = person.mouth_y, mouth_half(person, view)
    height = 0.06 * plane.bump(0, mouth, 0.34, 0.2)  # the teeth behind
    patch, x, y = plane.patch(0, mouth + 0.06, half + 0.1, 0.4)
    across = np.clip(x / half, -1, 1)
    top, under, over, bottom = mouth_edges(person, view, across)
    taper = (1 - across**2) ** 0.5
    lips = 0.045 * _ridge(y, top, under) + 0.06 * _ridge(y, over, bottom)
    groove = bell(y, (under + over) / 2, 0.014 + 0.4 * (over - under))
    height[patch] += taper * (person.lips * lips - 0.03 * groove)
    gap = 0.15 * view.mouth_open
    height -= 0.04 * plane.bump(0, mouth + 0.22 + gap, 0.2, 0.05)
    height -= 0.012 * plane.bump(0, (mouth + person.nose_length) / 2 + 0.02, 0.028, 0.09)
    corner = float(mouth_edges(person, view, np.array([1.0]))[1, 0])
    height -= 0.02 * plane.bumps(half + 0.02, corner, 0.035, 0.04)
    chin = 0.085 if not person.feminine else 0.06
    height += chin * plane.bump(0, head.length - 0.17, 0.19, 0.11)
    return height


def _ridge(y: np.ndarray, top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """Return a soft ridge between two edges, 1 in its middle."""
    half = np.maximum((bottom - top) / 2, 0.02)
    return bell(y, (top + bottom) / 2, 0.7 * half)


def _nasolabial(plane: TexturePlane, person: Person) -> np.ndarray:
    """Return the fold from the nose to the corner of the mouth, (H, W) in [0, 1]."""
    top, bottom = person.nose_length - 0.05, person.mouth_y + 0.02
    field = np.zeros(plane.shape, np.float32)
    patch, x, y = plane.patch(0, (top + bottom) / 2, 0.75, (bottom - top) / 2 + 0.15)
    t = np.clip((y - top) / (bottom - top), 0, 1)
    line = 0.2 * person.nose_width + 0.3 * t**0.8
    fold = bell(np.abs(x), line, 0.06) * fields.smoothstep(top - 0.1, top + 0.1, y)
    field[patch] = fold * fields.smoothstep(bottom + 0.1, bottom - 0.15, y)
    return field


def _forehead_lines(plane: TexturePlane, rng: Rng) -> np.ndarray:
    wobble = 0.02 * fields.value_noise(rng, (1, plane.shape[1]), 60)[0]
    lines = np.zeros(plane.shape, np.float32)
    for y in (-0.44, -0.53, -0.62):
        lines += bell(plane.y[:, None] - y, wobble, 0.014)
    return lines * np.exp(-0.5 * (plane.x / 0.35) ** 4)
