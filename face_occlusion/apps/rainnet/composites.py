"""Composites with a wrongly coloured foreground, what they should look like, and their images.

In half of them the foreground is a region of the photograph in the shape of a cut-out, in the other
half a cut-out pasted on the photograph. The colours of the whole image are changed first, then
those of the foreground alone, which the network learns to undo (as in iHarmony4, Cong et al. 2020).
Runs on any device; all random values come from a CPU generator, so a seed means the same on each.
Photographs and cut-outs are held in memory; one `.npz` file can hold them as JPEG and PNG, so that
another machine can train without the image sets.
"""

from __future__ import annotations

import hashlib
import math
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from tqdm import tqdm

from face_occlusion.core.files import atomic_path, errors_name
from face_occlusion.core.images import decode_image, decode_rgba, encode_jpeg, encode_rgba
from face_occlusion.core.imageset import ImageSet
from face_occlusion.reporting.pictures import into_square, thumbnail

HELD_OUT = 8  # one key in eight is held out
JPEG_QUALITY = 92


@dataclass(frozen=True)
class TrainingImages:
    """Photographs and cut-outs as squares of one side S, by their keys."""

    faces: Mapping[str, np.ndarray]  # (S, S, 3) uint8 RGB each
    cutouts: Mapping[str, np.ndarray]  # (S, S, 4) uint8 premultiplied RGBA each, centred

    def __post_init__(self) -> None:
        if len(self.faces) < 2 or len(self.cutouts) < 2:
            raise ValueError(
                "at least 2 faces and 2 cut-outs are needed to train, and as many to hold out; "
                f"got {len(self.faces)} and {len(self.cutouts)}"
            )

    @property
    def side_px(self) -> int:
        """Side S of all images."""
        return len(next(iter(self.faces.values())))

    def split(self) -> tuple[TrainingImages, TrainingImages]:
        """Split by key into images to train on and images held out, each at least two of a kind.

        One key in eight is held out, chosen by its hash, so that adding images moves no other.
        """
        held = _held_out(self.faces) | _held_out(self.cutouts)  # whose keys differ by their "/"

        def part(is_held_out: bool) -> TrainingImages:
            kinds = [
                {key: one for key, one in images.items() if (key in held) == is_held_out}
                for images in (self.faces, self.cutouts)
            ]
            return TrainingImages(*kinds)

        return part(False), part(True)


def _held_out(keys: Iterable[str]) -> set[str]:
    """Return the keys that come first by hash, one in eight and at least two."""
    by_hash = sorted((hashlib.sha256(key.encode()).hexdigest(), key) for key in keys)
    below = sum(int(digest[:8], 16) < 2**32 // HELD_OUT for digest, _ in by_hash)
    return {key for _, key in by_hash[: max(below, 2)]}


def read_images(
    faces: Path, cutouts: Sequence[Path], side_px: int, max_faces: int
) -> TrainingImages:
    """Read image sets at training size, or a file by `save_images` given as `faces`.

    The middle squares of at most `max_faces` photographs, evenly spaced, are used. The folder's
    name of a set of cut-outs precedes its keys. Too few images of a kind are a ValueError.
    """
    if faces.suffix == ".npz":
        if cutouts:
            raise ValueError(f"{faces} holds cut-outs already; name no sets of cut-outs with it")
        if (loaded := load_images(faces)).side_px != side_px:
            raise ValueError(f"{faces}: holds images of {loaded.side_px} px; set --size to that")
        return loaded
    if not cutouts:
        raise ValueError("name image sets of cut-outs after that of photographs")
    face_set = ImageSet(faces)
    chosen = np.linspace(0, len(face_set) - 1, min(len(face_set), max_faces)).astype(int)
    bar = tqdm([face_set.keys[place] for place in chosen], desc="faces", leave=False)
    squares = {key: _square(face_set.image(key), side_px) for key in bar}
    fitted = {}
    for one in map(ImageSet, cutouts):
        for key in tqdm(one.keys, desc=one.folder.name, leave=False):
            if (name := f"{one.folder.name}/{key}") in fitted:
                raise ValueError(f"{one.folder}: '{name}' comes twice; rename one of the folders")
            fitted[name] = into_square(one.cutout(key), side_px, (0, 0, 0, 0))
    return TrainingImages(squares, fitted)


def _square(image: np.ndarray, side_px: int) -> np.ndarray:
    """Cut the middle square and resize it to (side_px, side_px, 3)."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return thumbnail(image[top : top + side, left : left + side], side_px)


def save_images(images: TrainingImages, path: Path) -> None:
    """Write images atomically to one `.npz` file: faces as JPEG, cut-outs as PNG."""
    files = {f"faces/{key}": encode_jpeg(one, JPEG_QUALITY) for key, one in images.faces.items()}
    files |= {f"cutouts/{key}": encode_rgba(one) for key, one in images.cutouts.items()}
    arrays: dict[str, Any] = {key: np.frombuffer(data, np.uint8) for key, data in files.items()}
    with atomic_path(path) as partial, partial.open("wb") as file:
        np.savez(file, **arrays)


def load_images(path: Path) -> TrainingImages:
    """Read what `save_images` wrote; a missing file, and one of another kind, is a ValueError."""
    kinds = OSError, EOFError, TypeError, ValueError, zipfile.BadZipFile
    with errors_name(f"{path}: not a file of training images", *kinds):
        found: dict[str, dict[str, np.ndarray]] = {"faces": {}, "cutouts": {}}
        with np.load(path, allow_pickle=False) as archive:
            for name in archive.files:
                kind, _, key = name.partition("/")
                decode = decode_image if kind == "faces" else decode_rgba
                found.setdefault(kind, {})[key] = decode(archive[name].tobytes(), key)
        return TrainingImages(found["faces"], found["cutouts"])


PASTED_FRAC = 0.5  # the others recolour a region of the photograph
UNTOUCHED_FRAC = 0.05  # foregrounds left as they are: nothing to undo
COMMON_LIGHT = 0.5  # strength of the whole image's change over that of the foreground's
SCALE_RANGE = (0.35, 1.0)  # of the square cut-outs, against the image
ZOOM_RANGE = (0.75, 1.0)  # side of the part of the photograph that is used


@dataclass(frozen=True)
class Composites:
    """A batch for the network."""

    image: torch.Tensor  # (B, 3, S, S) float32 in [-1, 1], foreground recoloured
    mask: torch.Tensor  # (B, 1, S, S) float32, 0 or 1; 1 = foreground
    target: torch.Tensor  # (B, 3, S, S) float32 in [-1, 1], what the image should be


class CompositeSource:
    """An endless source of composites, made on the device where its images are kept."""

    def __init__(self, images: TrainingImages, seed: int, device: str | torch.device) -> None:
        self.device = torch.device(device)
        self.generator = torch.Generator().manual_seed(seed)
        self.faces, self.cutouts = (
            torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous().to(self.device)
            for pixels in ([*images.faces.values()], [*images.cutouts.values()])
        )  # (N, C, S, S) uint8

    def sample(self, batch: int) -> Composites:
        """Sample a batch of B composites, on the source's device."""
        face_index = torch.randint(len(self.faces), (batch,), generator=self.generator)
        cutout_index = torch.randint(len(self.cutouts), (batch,), generator=self.generator)
        faces = _warp(self.faces[face_index.to(self.device)], self._face_windows(batch))
        placed = _warp(self.cutouts[cutout_index.to(self.device)], self._placements(batch))
        alpha = placed[:, 3:]
        pasted = (self._uniform(batch, 0, 1) < PASTED_FRAC).float()[:, None, None, None]
        scene = faces + pasted * (placed[:, :3] - alpha * faces)
        target = recolour(scene, COMMON_LIGHT * self._recolouring(batch))
        touched = (self._uniform(batch, 0, 1) >= UNTOUCHED_FRAC).float()[:, None]
        wrong = recolour(target, touched * self._recolouring(batch))
        image = target + alpha * (wrong - target)
        return Composites(image * 2 - 1, (alpha >= 0.5).float(), target * 2 - 1)

    def _uniform(self, count: int, low: float, high: float) -> torch.Tensor:
        """Sample (count,) values of an interval, on the source's device."""
        values = torch.rand(count, generator=self.generator) * (high - low) + low
        return values.to(self.device)

    def _recolouring(self, batch: int) -> torch.Tensor:
        """Sample (B, 7) settings of `recolour`."""
        return torch.stack([self._uniform(batch, -r, r) for r in RECOLOUR_RANGES], dim=1)

    def _face_windows(self, batch: int) -> torch.Tensor:
        """Sample (B, 2, 3) windows of photographs, half of them mirrored."""
        zoom = self._uniform(batch, *ZOOM_RANGE)
        shift_x, shift_y = ((1 - zoom) * self._uniform(batch, -1, 1) for _ in range(2))
        mirror = torch.sign(self._uniform(batch, -1, 1) + 1e-9)
        nothing = torch.zeros_like(zoom)
        return _matrices(zoom * mirror, nothing, shift_x, nothing, zoom, shift_y)

    def _placements(self, batch: int) -> torch.Tensor:
        """Sample (B, 2, 3) places of cut-outs: any angle, shrunk, centre inside the image."""
        size = self._uniform(batch, *SCALE_RANGE)
        angle = self._uniform(batch, -math.pi, math.pi)
        shift_x, shift_y = (self._uniform(batch, -0.6, 0.6) for _ in range(2))
        cos, sin = torch.cos(angle) / size, torch.sin(angle) / size
        back_x, back_y = sin * shift_y - cos * shift_x, -(sin * shift_x + cos * shift_y)
        return _matrices(cos, -sin, back_x, sin, cos, back_y)


# Gamma, brightness, contrast, saturation, temperature, tint: exponents of a factor, so that 0
# changes nothing; hue: radians.
RECOLOUR_RANGES = (0.35, 0.35, 0.3, 0.4, 0.2, 0.1, 0.25)
_TO_YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))


def recolour(image: torch.Tensor, settings: torch.Tensor) -> torch.Tensor:
    """Change colours of (B, 3, H, W) images in [0, 1] as cameras and lights do.

    `settings` (B, 7) are in the order of `RECOLOUR_RANGES`, in natural logarithms and radians.
    """
    columns = settings[..., None, None, None].unbind(1)  # 7 of (B, 1, 1, 1)
    gamma, brightness, contrast, saturation, temperature, tint, hue = columns
    image = image.clamp(1e-4, 1) ** torch.exp(gamma)
    gains = torch.cat([temperature, tint, -temperature], dim=1)  # (B, 3, 1, 1)
    image = image * torch.exp(gains + brightness)
    mean = image.mean(dim=(1, 2, 3), keepdim=True)
    image = (image - mean) * torch.exp(contrast) + mean
    to_yiq = torch.tensor(_TO_YIQ, device=image.device)
    luma, in_phase, quadrature = torch.einsum("ij,bjhw->bihw", to_yiq, image).split(1, dim=1)
    cos, sin = torch.cos(hue) * torch.exp(saturation), torch.sin(hue) * torch.exp(saturation)
    turned = torch.cat(
        [luma, cos * in_phase - sin * quadrature, sin * in_phase + cos * quadrature], dim=1
    )
    return torch.einsum("ij,bjhw->bihw", torch.linalg.inv(to_yiq), turned).clamp(0, 1)


def _matrices(*entries: torch.Tensor) -> torch.Tensor:
    """Return (B, 2, 3) matrices of six (B,) entries, row by row."""
    return torch.stack(entries, 1).reshape(-1, 2, 3)


def _warp(images: torch.Tensor, to_source: torch.Tensor) -> torch.Tensor:
    """Warp (B, C, S, S) uint8 to float32 in 0-1; outside is 0."""
    grid = functional.affine_grid(to_source, list(images.shape), align_corners=False)
    return functional.grid_sample(images.float() / 255, grid, align_corners=False)
