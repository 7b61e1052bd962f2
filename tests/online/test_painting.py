"""The painter of batches against the sets' own code, from the same samples."""

import cv2
import numpy as np
import pytest
import torch

from face_occlusion.generation import Texture, make_occluder, regenerate
from face_occlusion.generation.compositing import HALF
from face_occlusion.generation.occlusion import draw_occlusion
from face_occlusion.generation.params import SOT, STATISTICS
from face_occlusion.generation.placement import make_layer
from face_occlusion.online.drawing import Atlas, pack, sizes_of
from face_occlusion.online.painting import Painter, compile_painter
from tests.generation.drawn import SHAPE, draw_disc, draw_face, draw_hand, draw_texture, params, rng

NUM = 3  # samples of each kind
MEAN_LEVELS, EDGE_SHARE = 0.5, 0.001
# Compiled too, as training paints: it fuses steps that each on its own are right.
DEVICES = [
    pytest.param("cpu", False, id="cpu"),
    pytest.param("cuda", False, marks=pytest.mark.gpu, id="cuda"),
    pytest.param("cuda", True, marks=pytest.mark.gpu, id="cuda-compiled"),
]


def noisy(rgba, seed):
    """A cut-out with texture: every pixel has a colour of its own."""
    alpha = rgba[..., 3:].astype(float)
    noise = rng(seed).normal(0, 12, rgba[..., :3].shape)
    colour = np.clip(rgba[..., :3] + noise * alpha / 255, 0, alpha)
    return np.dstack([np.rint(colour).astype(np.uint8), rgba[..., 3]])


PALMS = {f"h{c}": noisy(draw_hand((c, c - 40, c - 70)), c) for c in (210, 130)}
HANDS = [
    make_occluder(rgba, key=key, pointing_deg=90.0, enters="top") for key, rgba in PALMS.items()
]
CIRCLES = {f"d{n}": noisy(draw_disc(30 + 8 * n, (90, 120 + 40 * n, 40)), n) for n in range(3)}
DISCS = [make_occluder(rgba, key=key) for key, rgba in CIRCLES.items()]
TEXTURES = [Texture(f"t{n}", draw_texture(n)) for n in range(3)]
NO_JPEG = {"occluder": {"jpeg_prob": 0.0}}  # the one step that the painter leaves out
CASES = {
    "hands": (HANDS, params("hands", **NO_JPEG)),
    "hands_sot": (HANDS, params("hands", colour_transfer=SOT, **NO_JPEG)),
    "objects": (DISCS, params("objects", harmonisation=STATISTICS, **NO_JPEG)),
    "textures": (TEXTURES, params("textures", transparent_prob=0.5, **NO_JPEG)),
}


def draw_batch(kinds):
    """Return what occludes, and samples.

    Each is an image and a map to paint on, what was drawn, the image and map that the sets' own
    code makes of it, and the occluder's coverage.
    """
    atlas = Atlas([CASES[kind][0] for kind in kinds])
    sizes = sizes_of([CASES[kind][1] for kind in kinds], SHAPE)
    samples = []
    for number in range(NUM * len(kinds)):
        source = number % len(kinds)
        items, settings = CASES[kinds[source]]
        face, seg_map = draw_face(number, radii_frac=(0.38, 0.42))
        occlusion = draw_occlusion(face, seg_map, items, rng(number), settings)
        image, turned, face_mask, layer, record = occlusion
        item = next(item for item in items if item.key == record["occluder"])
        packed = pack(image, face_mask, layer, record, atlas.places[source][item.key], sizes)
        assert packed is not None
        cover = make_layer(item, record, SHAPE).coverage_on(SHAPE)
        samples.append((image, turned, packed, regenerate(face, seg_map, item, record), cover))
    return atlas, sizes, samples


@pytest.mark.parametrize(("device", "compiled"), DEVICES)
@pytest.mark.parametrize("kinds", [["hands"], ["hands_sot", "objects", "textures"]], ids="-".join)
def test_a_batch_is_what_the_sets_code_paints(kinds, device, compiled):
    atlas, sizes, samples = draw_batch(kinds)

    def stacked(arrays):
        return torch.from_numpy(np.stack(list(arrays))).to(device)

    painter = Painter(torch.from_numpy(atlas.pixels).to(device), sizes)
    images, seg_maps = (stacked(sample[part] for sample in samples) for part in (0, 1))
    drawn = {name: stacked(sample[2][name] for sample in samples) for name in samples[0][2]}
    paint = compile_painter(painter) if compiled else painter
    painted, maps = paint(images.permute(0, 3, 1, 2), seg_maps, drawn)
    painted, maps = painted.permute(0, 2, 3, 1).cpu().numpy(), maps.cpu().numpy()
    edges, wrong = 0, 0
    for sample, image, seg_map in zip(samples, painted, maps, strict=True):
        before, _, _, (wanted_image, wanted_map), cover = sample
        touched = cover > 0
        np.testing.assert_array_equal(image[~touched], before[~touched])
        difference = np.abs(image[touched].astype(int) - wanted_image[touched])
        assert difference.mean() < MEAN_LEVELS
        opaque = (cover >= HALF).astype(np.uint8)
        border = cv2.morphologyEx(opaque, cv2.MORPH_GRADIENT, np.ones((3, 3)))
        edges += np.count_nonzero(border)
        wrong += np.count_nonzero(seg_map != wanted_map)
    assert wrong <= EDGE_SHARE * edges
