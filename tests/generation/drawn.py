"""Small drawn faces, hands, objects and textures for the tests of generation."""

import dataclasses
from functools import partial

import cv2
import numpy as np

from face_occlusion.core.images import encode_jpeg, encode_png, encode_rgba
from face_occlusion.core.imageset import encode_record, write_image_set
from face_occlusion.generation import Texture, make_occluder
from face_occlusion.generation.compositing import Layer
from face_occlusion.generation.params import paper_params
from face_occlusion.occluders.glasses import draw_glasses

SHAPE = (176, 160)  # H != W, so swapped axes show


def rng(seed=0):
    return np.random.default_rng(seed)


def params(kind, **changes):
    """The paper's settings with other values; `face` and `occluder` take mappings."""
    base = paper_params(kind)
    for name in ("face", "occluder"):
        if name in changes:
            changes[name] = dataclasses.replace(getattr(base, name), **changes[name])
    return dataclasses.replace(base, **changes)


def plain(kind, **changes):
    """Settings without tone, compression, affine and blur."""
    off = {"tone_prob": 0.0, "jpeg_prob": 0.0}
    changes = {
        "face": off | {"affine_prob": 0.0},
        "occluder": off,
        "edge_sigma_frac_range": [0, 0],
        "contact_sigma_frac_range": [0, 0],
    } | changes
    return params(kind, **changes)


def draw_face(seed=0, shape=SHAPE, radii_frac=(0.3, 0.36)):
    """A shaded ellipse on a noisy ground: (H, W, 3) uint8 image and (H, W) uint8 map."""
    rng = np.random.default_rng(seed)
    height, width = shape
    rows, columns = np.mgrid[:height, :width]
    x = (columns - 0.5 * width) / (radii_frac[0] * width)
    y = (rows - 0.55 * height) / (radii_frac[1] * height)
    seg_map = (x**2 + y**2 <= 1).astype(np.uint8)
    skin = np.array([200, 150, 120]) - 30 * x[..., np.newaxis]
    ground = np.array([60, 90, 110]) + 20 * y[..., np.newaxis]
    image = np.where(seg_map[..., np.newaxis] == 1, skin, ground)
    image = np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)
    return image, seg_map


def premultiply(rgb, alpha):
    scaled = (rgb.astype(np.uint16) * alpha[..., np.newaxis] + 127) // 255
    return np.dstack([scaled.astype(np.uint8), alpha])


def layer_of(rgba, x=0, y=0):
    """A layer of premultiplied RGBA."""
    return Layer(np.ascontiguousarray(rgba[..., :3]), np.ascontiguousarray(rgba[..., 3]), x, y)


def draw_disc(radius=40, colour=(90, 120, 40)):
    """A plain disc with a soft border, premultiplied RGBA, cropped to itself."""
    size = 2 * radius + 3
    rows, columns = np.mgrid[:size, :size] - size // 2
    alpha = np.clip((radius - np.hypot(rows, columns)) + 0.5, 0, 1)
    rgb = np.broadcast_to(np.array(colour, np.uint8), (size, size, 3))
    return premultiply(rgb, np.rint(alpha * 255).astype(np.uint8))


def draw_hand(colour=(210, 170, 140), height=150, width=100):
    """A palm with four fingers pointing down, its arm cut off at the top."""
    alpha = np.zeros((height, width), np.uint8)
    palm = height // 2
    cv2.rectangle(alpha, (width // 8, 0), (width - width // 8, palm), 255, -1)
    for finger in range(4):
        x = width // 8 + 8 + finger * (width - width // 4 - 12) // 4
        length = height - 8 - 6 * (finger in (0, 3))
        cv2.rectangle(alpha, (x, palm), (x + 9, length), 255, -1)
        cv2.circle(alpha, (x + 4, length), 4, 255, -1)
    return wrinkled(colour, alpha)


def wrinkled(colour, alpha):
    rgb = np.broadcast_to(np.array(colour, np.uint8), (*alpha.shape, 3)).copy()
    rgb[::7] -= 30
    return premultiply(rgb, alpha)


def draw_wrist():
    """A palm with fingers pointing down, and a narrower wrist that leaves at the top."""
    alpha = draw_hand()[..., 3].copy()
    alpha[:40] = 0
    cv2.rectangle(alpha, (30, 0), (70, 45), 255, -1)
    alpha = cv2.GaussianBlur(alpha, (0, 0), 0.7, borderType=cv2.BORDER_REPLICATE)
    return wrinkled((210, 170, 140), alpha)


def draw_texture(seed=0):
    """Stripes and noise."""
    rng = np.random.default_rng(seed)
    stripes = 127 + 90 * np.sin(np.arange(128) / 3 + seed)
    noisy = stripes[np.newaxis, :, np.newaxis] + rng.normal(0, 15, (96, 128, 3))
    return np.clip(noisy, 0, 255).astype(np.uint8)


def centred(occluder, linear, centre_xy):
    """The affine that turns by `linear` and puts the occluder's centre there."""
    return np.column_stack([linear, np.array(centre_xy) - linear @ occluder.centre_xy])


ENCODERS = {"jpg": partial(encode_jpeg, quality=95), "rgba.png": encode_rgba}


def write_drawn(folder, kind, name, samples, **info):
    """Write samples of (key, parts, record) as an image set; arrays are encoded."""
    encoded = []
    for key, parts, record in samples:
        arrays = {part: value for part, value in parts.items() if not isinstance(value, bytes)}
        data = {part: ENCODERS.get(part, encode_png)(value) for part, value in arrays.items()}
        encoded.append((key, {**parts, **data, "json": encode_record(record)}))
    about = {"kind": kind, "name": name, "sources": ["drawn"]}
    return write_image_set(folder, encoded, info=about | info)


def write_faces(folder, count=6, **face):
    drawn = (dict(zip(("jpg", "png"), draw_face(n, **face), strict=True)) for n in range(count))
    samples = ((f"{n:05d}", parts, {"number": n}) for n, parts in enumerate(drawn))
    return write_drawn(folder, "faces", "drawn faces", samples)


def write_cutouts(folder, name, cutouts, category, **record):
    about = {"category": category} | record
    samples = ((f"{category}{n}", {"rgba.png": one}, about) for n, one in enumerate(cutouts))
    return write_drawn(folder, "cutouts", name, samples)


def write_hands(folder):
    hands = (draw_hand((210 - 40 * n, 170 - 30 * n, 140 - 20 * n)) for n in range(3))
    return write_cutouts(folder, "hands", hands, "hand", pointing_deg=90.0, enters="top")


def write_objects(folder):
    return write_cutouts(folder, "objects", (draw_disc(30 + 10 * n) for n in range(3)), "disc")


def write_glasses(folder):
    pairs = (draw_glasses(rng(n), TEXTURE.image, 60) for n in range(3))
    return write_cutouts(folder, "glasses", pairs, "glasses")


def write_textures(folder):
    samples = ((f"texture{n}", {"jpg": draw_texture(n)}, {"category": "stripes"}) for n in range(3))
    return write_drawn(folder, "textures", "textures", samples)


def write_occluders(folder):
    """Write one set of each kind; return them by their names."""
    kinds = {"hands": write_hands, "objects": write_objects, "textures": write_textures}
    return {name: write(folder / name) for name, write in kinds.items()}


FACE, SEG_MAP = draw_face()
SMALL_FACE = draw_face(shape=(600, 640), radii_frac=(0.06, 0.06))  # no hand reaches it
HAND = make_occluder(draw_hand(), key="hand", pointing_deg=90.0, enters="top")
WRIST = make_occluder(draw_wrist(), pointing_deg=90.0, enters="top")
DISC = make_occluder(draw_disc())
TEXTURE = Texture("t", draw_texture())
