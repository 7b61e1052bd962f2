"""Occluders that only the benchmarks have: glasses, masks, scarves and stage microphones."""

import numpy as np

from face_occlusion.miniature import colours, fields
from face_occlusion.miniature.canvas import FACE_PARTS, Part, Solid
from face_occlusion.miniature.fields import Capsule, Rng
from face_occlusion.miniature.light import Surface
from face_occlusion.miniature.portraits import Portrait

_RIMS = ("17120f", "4a2a14", "b8903a", "8c8f96", "7a1f2b", "20304f", "d9c7a8")


def wear_sunglasses(portrait: Portrait, rng: Rng) -> None:
    """Put dark or mirrored glasses on, frame and lenses opaque."""
    lenses, bars = _spectacles(portrait, rng, rng.uniform(1.0, 1.35))
    canvas, unit = portrait.canvas, portrait.frame.unit_px
    canvas.drop_shadow(np.maximum(lenses, bars), 0.06 * unit, 0.45)
    _, y = fields.grid(canvas.shape)
    fade = fields.smoothstep(0.3, -0.25, (y - portrait.frame.origin_xy[1]) / unit)
    dark = colours.sample(rng, (0.2, 0.9), (0.03, 0.15))
    light = colours.sample(rng, (0.3, 0.9), (0.35, 0.85)) if rng.random() < 0.35 else dark * 2.2
    surface = Surface(colours.mix(light, dark, fade), gloss=0.7, shininess=64)
    height = fields.inflate(lenses, 0.3 * unit) * 0.35
    canvas.paint_solid(Solid(0.97 * lenses, height, surface), Part.OCCLUDER)
    _paint_reflection(portrait, lenses, rng, 0.22)
    _paint_bars(portrait, bars, rng)


def wear_clear_glasses(portrait: Portrait, rng: Rng) -> None:
    """Put clear glasses on: the face shows through, yet frame and lenses are labelled occluder."""
    lenses, bars = _spectacles(portrait, rng, rng.uniform(0.95, 1.2))
    canvas, unit = portrait.canvas, portrait.frame.unit_px
    canvas.drop_shadow(bars, 0.06 * unit, 0.4)
    tint = colours.sample(rng, (0.02, 0.25), (0.8, 1))
    canvas.paint(0.1 * lenses, tint, None)
    canvas.darken(1 - 0.1 * lenses)
    _paint_reflection(portrait, lenses, rng, 0.3)
    canvas.labels[lenses >= 0.5] = Part.OCCLUDER
    _paint_bars(portrait, bars, rng)


def _spectacles(portrait: Portrait, rng: Rng, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the coverage of two lenses, and of rims, bridge and temples."""
    frame, head, person = portrait.frame, portrait.head, portrait.person
    lens_x, lens_y = _lens(rng, scale)
    middle = person.eye_x + 0.02
    thick = max(round(rng.uniform(0.02, 0.055) * frame.unit_px), 2)
    depth = head.front(np.array([person.eye_x * 0.6]), np.array([0.0]))[0] + 0.12
    rims, temples = [], []
    for side in (-1, 1):
        x = side * (middle + lens_x)
        rims.append(frame.project(np.column_stack([x, lens_y, depth - 0.14 * np.abs(x)])))
        hinge = (side * (middle + lens_x.max()), -0.03, depth - 0.14)
        temples.append(frame.project(np.array([hinge, (side * 1.01, 0.02, 0.0)])))
    inner = middle - lens_x.max()
    bridge = np.array([[-inner, 0.0, 1.08], [0, -0.05, 1.14], [inner, 0.0, 1.08]])
    closed = [np.concatenate([rim, rim[:1]]) for rim in rims]
    curve = fields.smooth_curve(frame.project(bridge), 12)
    bars = fields.stroke(frame.shape, [*closed, curve], thick)
    on_head = fields.stroke(frame.shape, temples, thick) * head.alpha(frame)  # one runs behind
    lenses = np.maximum(*(fields.fill(frame.shape, rim) for rim in rims))
    return lenses, np.maximum(bars, on_head)


def _lens(rng: Rng, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a lens' outline (x, y) around its middle: a superellipse, round to nearly square."""
    width, height = 0.33 * scale, rng.uniform(0.2, 0.3) * scale
    power = rng.uniform(2.0, 5.0)
    droop = rng.uniform(-0.05, 0.12)
    angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    c, s = np.cos(angle), np.sin(angle)
    x = width * np.sign(c) * np.abs(c) ** (2 / power)
    y = height * np.sign(s) * np.abs(s) ** (2 / power) + 0.05
    return x, y + droop * x * (y > 0)


def _paint_bars(portrait: Portrait, bars: np.ndarray, rng: Rng) -> None:
    colour = colours.from_hex(_RIMS[rng.integers(len(_RIMS))])
    height = fields.blur(bars, 1.5) * 0.04 * portrait.frame.unit_px
    surface = Surface(colour, gloss=0.5, shininess=32)
    portrait.canvas.paint_solid(Solid(bars, height, surface), Part.OCCLUDER)


def _paint_reflection(portrait: Portrait, lenses: np.ndarray, rng: Rng, strength: float) -> None:
    """Paint two bright streaks across the lenses."""
    x, y = fields.grid(lenses.shape)
    origin = portrait.frame.origin_xy
    start = rng.uniform(-0.5, 0.1)
    slope = ((x - origin[0]) * 0.8 + (y - origin[1])) / portrait.frame.unit_px
    wide, thin = (
        fields.smoothstep(start + a, start + b, slope)
        * fields.smoothstep(start + d, start + c, slope)
        for a, b, c, d in ((0, 0.05, 0.18, 0.24), (0.28, 0.3, 0.35, 0.38))
    )
    white = np.array([0.9, 0.95, 1.0], np.float32)
    portrait.canvas.paint(strength * lenses * (wide + thin).astype(np.float32), white, None)


def wear_mask(portrait: Portrait, rng: Rng) -> None:
    """Put a medical or a cloth mask on, over nose, mouth and chin."""
    frame, canvas, unit = portrait.frame, portrait.canvas, portrait.frame.unit_px
    top = rng.uniform(0.12, 0.38)
    outline = fields.smooth_curve(_mask_outline(portrait, top), 90, closed=True)
    alpha = fields.fill(frame.shape, outline)
    loops = []
    for side in (-1, 1):
        for y0, y1 in ((top + 0.3, 0.0), (0.75 * portrait.head.length, 0.5)):
            loop = np.array([[side * 0.86, y0, 0.3], [side * 1.02, y1, 0.0]])
            loops.append(frame.project(loop))
    on_person = np.isin(canvas.labels, (*FACE_PARTS, Part.L_EAR, Part.R_EAR))  # else under hair
    strings = on_person * fields.stroke(frame.shape, loops, 0.025 * unit)
    canvas.drop_shadow(alpha, 0.06 * unit, 0.45)
    white = np.array([0.75, 0.75, 0.75], np.float32)
    canvas.paint(strings, white * 0.8, Part.OCCLUDER)
    nose = frame.project(np.array([[0, portrait.person.nose_length, 1.25]]))[0]
    x, y = fields.grid(frame.shape)
    bump = np.exp(-(((x - nose[0]) / (0.3 * unit)) ** 2) - ((y - nose[1]) / (0.4 * unit)) ** 2)
    down = (y - frame.origin_xy[1]) / unit
    wavy = down + 0.04 * fields.fractal_noise(rng, frame.shape, 0.5 * unit, 2)
    pleats = np.abs((wavy / 0.22) % 1 - 0.5)
    inside = fields.smoothstep(1, 6, fields.inflate(alpha, 0.2 * unit))
    height = fields.inflate(alpha, 0.75 * unit) + 0.2 * unit * bump
    height = height + 0.05 * unit * pleats * inside
    surface = Surface(_mask_cloth(portrait, rng), gloss=0.02)
    canvas.paint_solid(Solid(alpha, height.astype(np.float32), surface), Part.OCCLUDER)


def _mask_outline(portrait: Portrait, top: float) -> np.ndarray:
    """Return the pixels of a mask's outline, whose upper edge lies at height `top`."""
    head, length = portrait.head, portrait.head.length
    edge = [(0, top), (0.3, top + 0.1), (0.62, top + 0.16), (0.9, top + 0.28)]
    edge += [(0.86, 0.7 * length), (0.62, 0.88 * length), (0.3, length + 0.03), (0, length + 0.07)]
    right = np.array(edge, float)
    right[:, 0] *= np.minimum(head.width(np.minimum(right[:, 1], 0.8 * length)) / 0.95, 1.05)
    outline = np.concatenate([right, right[-2:0:-1] * (-1, 1)])
    depth = 0.14 + np.array([0.28, 0.12, 0, -0.05, -0.1, -0.05, 0.05, 0.1])
    depth = np.concatenate([depth, depth[-2:0:-1]])
    depth += head.front(outline[:, 0] * 0.95, np.minimum(outline[:, 1], 0.9 * length))
    return portrait.frame.project(np.column_stack([outline, depth]))


def _mask_cloth(portrait: Portrait, rng: Rng) -> np.ndarray:
    shape, unit = portrait.canvas.shape, portrait.frame.unit_px
    weave = 1 + 0.03 * fields.value_noise(rng, shape, 2)
    kind = rng.choice(["medical", "white", "skin", "plain", "dotted"])
    if kind in ("medical", "white"):
        return colours.scaled(colours.from_hex("8fc3d8" if kind == "medical" else "eef0ee"), weave)
    if kind == "skin":  # close to the wearer's own
        tone = portrait.person.tone + rng.normal(0, 0.06)
        return colours.scaled(colours.skin(tone, rng.uniform(-1, 1)), weave)
    if kind == "plain":
        return colours.scaled(colours.sample(rng, (0.1, 0.9), (0.05, 0.6)), weave)
    x, y = fields.grid(shape)
    dots = np.sin(x / unit * 22) * np.sin(y / unit * 22)
    first, second = colours.sample(rng), colours.sample(rng)
    return colours.scaled(colours.mix(first, second, fields.smoothstep(0.2, 0.4, dots)), weave)


def wear_scarf(portrait: Portrait, rng: Rng) -> None:
    """Wind a scarf around neck, chin and mouth, perhaps over the nose."""
    frame, unit = portrait.frame, portrait.frame.unit_px
    top, sag, tilt = rng.uniform(0.42, 0.95), rng.uniform(0.0, 0.2), rng.normal(0, 0.06)
    edge = [(-1.15, top - 0.03 - tilt), (-0.7, top - 0.02 - tilt), (0, top + sag)]
    edge = np.array([*edge, (0.7, top - 0.02 + tilt), (1.15, top - 0.03 + tilt)])
    edge[:, 0] += 0.8 * np.sin(frame.view.yaw_rad) * np.exp(-((edge[:, 0] / 0.8) ** 2))
    wrap = [(1.32, 1.1), (1.4, 1.7), (1.9, 2.2), (2.2, 4.0)]
    border = np.concatenate([edge, wrap, [(-x, y) for x, y in reversed(wrap)]])
    alpha = fields.fill(frame.shape, frame.flat(fields.smooth_curve(border, 120, closed=True)))
    x, y = fields.grid(frame.shape)
    u, v = (x - frame.origin_xy[0]) / unit, (y - frame.origin_xy[1]) / unit
    warp = 0.12 * fields.fractal_noise(rng, frame.shape, 0.8 * unit, 3)
    layers = (v - top - sag * np.exp(-(u**2)) + warp) / rng.uniform(0.28, 0.5)
    folds = np.abs(np.sin(np.pi * layers)) ** 0.7
    roll = 0.5 * unit * np.sqrt(np.maximum(1 - (u / 1.7) ** 2, 0))
    height = fields.inflate(alpha, 0.35 * unit) + 0.14 * unit * folds + roll
    knit = 0.012 * unit * np.sin(2 * np.pi * (u + warp) / 0.05) * np.sin(2 * np.pi * v / 0.06)
    base = colours.sample(rng, (0.05, 0.9), (0.1, 0.95))
    if rng.random() < 0.35:
        base = colours.skin(portrait.person.tone + rng.normal(0, 0.1), rng.uniform(-1, 1))
    other = colours.sample(rng) if rng.random() < 0.6 else base
    wave = np.sin(2 * np.pi * (u * rng.uniform(0.5, 2) + layers * rng.uniform(0, 1)))
    striped = colours.mix(base, other, 0.8 * fields.smoothstep(0.1, 0.2, wave))
    albedo = colours.scaled(striped, 0.72 + 0.28 * folds)
    solid = Solid(alpha, (height + knit).astype(np.float32), Surface(albedo))
    portrait.canvas.paint_solid(solid, Part.OCCLUDER, lift_px=0.09 * unit)


def hold_stage_microphone(portrait: Portrait, rng: Rng) -> None:
    """Hold a stage microphone to the mouth: a metal grille on a handle that leaves the picture."""
    canvas, unit = portrait.canvas, portrait.frame.unit_px
    radius = rng.uniform(0.3, 0.48) * unit
    aim = [rng.normal(0, 0.15), portrait.person.mouth_y + rng.uniform(-0.15, 0.15), 1.1]
    mouth = portrait.frame.project(np.array([aim]))[0]
    angle = np.deg2rad(90 + rng.uniform(-45, 45))
    away = np.array([np.cos(angle), np.sin(angle)])
    start, end = mouth + away * radius * 0.9, mouth + away * 8 * unit
    rod = Capsule(start, end, 0.62 * radius, 0.42 * radius)
    handle, handle_height = fields.join_capsules(canvas.shape, [rod], 1)
    head, head_height = fields.ball(canvas.shape, mouth, radius)
    canvas.drop_shadow(np.maximum(head, handle), 0.16 * unit)
    plain = rng.random() < 0.7
    body = colours.sample(rng, (0, 0.9), (0.03, 0.3)) if plain else colours.sample(rng)
    canvas.paint_solid(Solid(handle, handle_height, Surface(body, gloss=0.4)), Part.OCCLUDER)
    x, y = fields.grid(canvas.shape)
    step = 0.055 * unit
    mesh = np.sin(2 * np.pi * (x + y) / step) * np.sin(2 * np.pi * (x - y) / step)
    metal = colours.from_hex(("9a9ea6", "3a3b40", "b0925a")[rng.integers(3)])
    albedo = colours.scaled(metal, 0.75 + 0.35 * fields.smoothstep(-0.4, 0.4, mesh))
    surface = Surface(albedo, gloss=0.5, shininess=16)
    canvas.paint_solid(Solid(head, head_height, surface), Part.OCCLUDER)


WORN = {
    "sunglasses": wear_sunglasses,
    "clear_glasses": wear_clear_glasses,
    "mask": wear_mask,
    "microphone": hold_stage_microphone,
    "scarf": wear_scarf,
}
