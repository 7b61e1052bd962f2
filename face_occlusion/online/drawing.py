"""What was sampled for a painter of batches: numbers of fixed length for each sample.

The pixels of the occluders lie on the GPU in one row, the atlas; a sample names its place there.
What the painter cannot do (an arm drawn on, RainNet, the transport of other modes, a colour grid
longer than four times its width) is painted here, by the sets' own code, and marked as done.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from face_occlusion.core.arithmetic import exact_weight
from face_occlusion.generation import Occluder, Texture
from face_occlusion.generation.augmentation import tone_bias
from face_occlusion.generation.colour_transfer.algorithm1 import grid_over
from face_occlusion.generation.colour_transfer.transfer import (
    ColourTransferParams,
    sample_hand,
    sample_transport,
)
from face_occlusion.generation.colour_transfer.transport import step_inverse
from face_occlusion.generation.compositing import Layer, gaussian_taps
from face_occlusion.generation.geometry import at_level
from face_occlusion.generation.occlusion import COLOUR_STREAM
from face_occlusion.generation.params import GenerateParams

GRID = 128  # most cells of the colour grid along a side
IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)

Levels = Sequence[tuple[int, int, int]]  # of an occluder: first pixel, height, width
Drawn = dict[str, np.ndarray]


class Atlas:
    """The pixels of all occluders of some stores in one row, every size of each."""

    def __init__(self, stores: Sequence[Sequence[Occluder] | Sequence[Texture]]) -> None:
        rows: list[np.ndarray] = []
        # Of each store, where an occluder's levels begin, by its key.
        self.places: list[dict[str, Levels]] = []
        start = 0
        for store in stores:
            places: dict[str, Levels] = {}
            for item in store:
                levels = []
                is_texture = isinstance(item, Texture)  # of one size, and opaque
                rgba = [cv2.cvtColor(item.image, cv2.COLOR_RGB2RGBA)] if is_texture else item.levels
                for level in rgba:
                    levels.append((start, level.shape[0], level.shape[1]))
                    rows.append(np.ascontiguousarray(level).reshape(-1).view(np.int32))
                    start += rows[-1].size
                places[item.key] = levels
            self.places.append(places)
        # (N,) int32, each the four bytes of an RGBA pixel; None in other processes.
        self.pixels: np.ndarray | None = np.concatenate(rows)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "pixels": None}


@dataclass(frozen=True)
class Sizes:
    """The fixed sizes of what is drawn for images of one size."""

    shape: tuple[int, int]  # (H, W) of the images
    radius: int  # of the widest blur, in pixels
    steps: int  # of the colour transport; 0 without one
    directions: int  # in each step
    hand_pixels: int  # most pixels of a hand that the transport moves
    face_pixels: int  # most pixels of a face that it aims at
    has_shapes: bool
    has_statistics: bool
    statistics_px: int

    @property
    def padding(self) -> int:
        """Pixels around the image in which a hand's colours count, as in `make_layer`."""
        return 1 + 2 * self.radius

    def neutral(self) -> dict[str, Any]:
        """Return the numbers of a sample that is not painted."""
        taps = [256.0] + [0.0] * self.radius
        directions = np.zeros(3 * self.steps * self.directions)
        return {
            "painted": 0,  # 0: nothing is to be painted
            "is_shape": 0,  # coverage is given, the texture goes on by reflection
            "start": 0,  # of the occluder's pixels in the atlas
            "size": (1, 1),  # its height and width there
            "inverse": IDENTITY,  # affine from the window to those pixels
            "window": (0, 0, 1, 1),  # x, y, width, height of the layer on the image
            "edge": taps,  # Gaussian taps in 1/256, from the middle
            "contact": taps,
            "tone": (1, 0),  # contrast, and what is added to it as a share of coverage
            "opacity": 1,
            "harmonisation": 0,  # strength
            "transfer": 0,  # strength
            "grid": (1, 1),  # rows and columns of colours
            "sigma": 1,  # of their smoothing, in cells
            "num_face": 1,  # of face_colours
            "directions": directions,
            "inverses": directions,
        }

    def fields(self) -> dict[str, slice]:
        """Return where each kind of number lies in a sample's numbers."""
        lengths = {name: np.size(values) for name, values in self.neutral().items()}
        ends = list(itertools.accumulate(lengths.values()))
        starts = [0, *ends[:-1]]
        return {name: slice(*ends) for name, *ends in zip(lengths, starts, ends, strict=True)}

    def drawn(self, numbers: Mapping[str, Any], **arrays: np.ndarray) -> Drawn:
        """Return a sample's numbers and arrays in their fixed sizes, by name."""
        packed = [np.ravel(numbers[name]).astype(np.float64) for name in self.fields()]
        drawn: Drawn = {"numbers": np.concatenate(packed)}
        if self.steps:
            colours = np.zeros((self.face_pixels, 3), np.uint8)
            given = arrays.get("face_colours", colours[:1])
            colours[: len(given)] = given
            drawn["face_colours"] = colours
        if self.has_shapes:
            drawn["coverage"] = arrays.get("coverage", np.zeros(self.shape, np.uint8))
        return drawn


def sizes_of(params: Sequence[GenerateParams], shape: tuple[int, int]) -> Sizes:
    """Return sizes large enough for every sample of several sets.

    Two sets with transports of different steps or directions are a ValueError.
    """
    widest = max(
        high
        for one in params
        for _, high in (one.edge_sigma_frac_range, one.contact_sigma_frac_range)
    )
    radius = max(1, math.ceil(3 * widest * math.sqrt(shape[0] * shape[1])))
    transfers = [one.colour_transfer for one in params if _can_transfer(one.colour_transfer)]
    kinds = {(one.steps, one.directions_per_step) for one in transfers if one}
    if len(kinds) > 1:
        raise ValueError(
            "the online sets of a combination must share colour_transfer.steps and "
            f"directions_per_step; got {sorted(kinds)}"
        )
    steps, directions = kinds.pop() if kinds else (0, 0)
    canvas = np.empty(shape, np.uint8)
    window = np.empty([side + 2 * (1 + 2 * radius) for side in shape], np.uint8)
    most = [1, 1]  # pixels that a grid holds, over the window and over the canvas
    for one in filter(None, transfers):
        grids = (grid_over(mask, one.downscale) for mask in (window, canvas))
        sizes = [rows.size * columns.size for rows, columns in grids]
        most = [max(pair) for pair in zip(most, sizes, strict=True)]
    harmonised = [one.harmonisation for one in params if one.harmonisation]
    return Sizes(
        shape=shape,
        radius=radius,
        steps=steps,
        directions=directions,
        hand_pixels=-(-max(most[0], 4096 + GRID + 1) // 64) * 64 if steps else 0,
        face_pixels=most[1] if steps else 0,
        has_shapes=any(one.method == "randocc" for one in params),
        has_statistics=any(one.method == "reinhard" for one in harmonised),
        statistics_px=max([one.size_px for one in harmonised], default=256),
    )


def _can_transfer(params: ColourTransferParams | None) -> bool:
    return params is not None and params.mode == "masked"


def pack(
    image: np.ndarray,
    face_mask: np.ndarray,
    layer: Layer,
    record: Mapping[str, Any],
    levels: Levels,
    sizes: Sizes,
) -> Drawn | None:
    """Pack a sampled occlusion for the painter; None if the painter cannot paint it.

    `image` (H, W, 3) uint8 RGB is the face as it is occluded, `face_mask` (H, W) uint8 is 255 on
    the face, `layer` the placed occluder and `levels` its place in the atlas.

    Returns `numbers` (K,) float64, with a colour transport `face_colours` (F, 3) uint8, with shapes
    `coverage` (H, W) uint8.
    """
    placement, harmonisation = record["placement"], record["harmonisation"]
    if placement.get("arm_drawn"):
        return None
    if harmonisation and harmonisation["method"] not in ("none", "reinhard"):
        return None
    height, width = layer.alpha.shape
    is_shape = "shape" in placement
    matrix = np.array(placement["texture_matrix" if is_shape else "matrix"])
    level, local = at_level(matrix, 1 if is_shape else len(levels))
    local[:, 2] -= (layer.x, layer.y)
    tone = record["occluder_changes"]
    numbers = sizes.neutral() | {
        "painted": 1,
        "is_shape": is_shape,
        "start": levels[level][0],
        "size": levels[level][1:],
        "inverse": cv2.invertAffineTransform(local),
        "window": (layer.x, layer.y, width, height),
        "edge": gaussian_taps(0 if is_shape else record["edge_sigma_px"], sizes.radius),
        "contact": gaussian_taps(record["contact_sigma_px"], sizes.radius),
        "opacity": exact_weight(record["opacity"]) if record["opacity"] < 1 else 1,
    }
    if tone["contrast"] is not None:
        numbers["tone"] = exact_weight(tone["contrast"]), exact_weight(tone_bias(tone) / 255)
    if harmonisation and harmonisation["method"] == "reinhard":
        numbers["harmonisation"] = harmonisation["strength"]
    arrays: dict[str, np.ndarray] = {}
    if is_shape:
        arrays["coverage"] = layer.coverage_on(sizes.shape)
    if record["colour_transfer"] is not None:
        params = ColourTransferParams(**record["colour_transfer"])
        transfer = _pack_transfer(image, face_mask, layer, record["colour_seed"], params, sizes)
        if transfer is None:
            return None
        arrays["face_colours"] = transfer.pop("face_colours")
        numbers |= transfer
    return sizes.drawn(numbers, **arrays)


def _pack_transfer(
    image: np.ndarray,
    face_mask: np.ndarray,
    layer: Layer,
    seed: int,
    params: ColourTransferParams,
    sizes: Sizes,
) -> dict[str, Any] | None:
    """Sample a colour transport and pack it; None if the painter cannot do it."""
    if not _can_transfer(params):
        return None
    rows, columns = (index.size for index in grid_over(layer.alpha, params.downscale))
    hand, share = sample_hand(layer.colour, layer.alpha, params.downscale)
    if share.shape != (rows, columns) or max(share.shape) > GRID or share.size > sizes.hand_pixels:
        return None
    rng = np.random.default_rng([seed, COLOUR_STREAM])
    inside = hand[share >= 0.5]
    directions, face_colours = sample_transport(image, face_mask, inside, rng, params)
    if len(face_colours) > sizes.face_pixels:
        return None
    return {
        "transfer": params.strength,
        "grid": (rows, columns),
        "sigma": max(params.smoothing_frac * math.sqrt(share.size), 1e-3),
        "num_face": len(face_colours),
        "directions": directions,
        "inverses": np.stack([step_inverse(batch) for batch in directions]),
        "face_colours": face_colours,
    }
