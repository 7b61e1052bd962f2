"""An occluder in a photograph of a release, and how it is cut out as a sample of an image set."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from face_occlusion.core.classes import FACE
from face_occlusion.core.files import errors_name
from face_occlusion.core.images import decode_image, encode_rgba
from face_occlusion.core.imageset import encode_record
from face_occlusion.core.params import Checked, Meta
from face_occlusion.core.release import Release
from face_occlusion.cutouts import clean_mask, cut_out, size_and_alpha


@dataclass(frozen=True, kw_only=True)
class EdgeParams(Checked):
    """How the edge of a cut-out is made; widths are in pixels of the photograph."""

    soft_px: Annotated[float, Meta(ge=0, le=50)]  # blur of the mask's edge
    edge_px: Annotated[int, Meta(ge=0, le=50)]  # edge whose colours come from farther inside


@dataclass(frozen=True, kw_only=True)
class Photographed:
    """One occluder in a release."""

    key: str  # in image sets
    image: str  # name of its photograph
    # (release, photograph's height and width) -> (H, W) bool; picklable
    mask: Callable[[Release, tuple[int, int]], np.ndarray]
    about: dict[str, Any]  # what is known of it, for its record

    def cut_out(
        self, release: Release, edge: EdgeParams, *, hole_frac: float = 0, close_px: int = 0
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Clean the mask as `clean_mask` does, and cut the occluder out.

        Returns the cut-out, (h, w, 4) uint8 premultiplied RGBA, cropped to its alpha; and the mask,
        (H, W) bool, before and after it was cleaned. A file that cannot be read, or a mask of
        another size or that is empty, is a ValueError that names the photograph.
        """
        image = decode_image(release.read(self.image), self.image)
        mask = self.mask(release, image.shape[:2])
        with errors_name(f"{self.image}: its mask ({self.key})"):
            whole = clean_mask(mask, hole_frac=hole_frac, close_px=close_px)
            cutout = cut_out(image, whole, soft_px=edge.soft_px, edge_px=edge.edge_px, own=mask)
        return cutout, mask, whole

    def sample(
        self, release: Release, cutout: np.ndarray, **found: Any
    ) -> tuple[str, dict[str, bytes]]:
        """Return its key, and the parts `rgba.png` and `json`; the record says what was found."""
        name = self.image.rpartition("/")[2]
        record = {"source": release.source, "name": name, **size_and_alpha(cutout), **found}
        return self.key, {
            "rgba.png": encode_rgba(cutout),
            "json": encode_record(record | self.about),
        }


def read_mask(release: Release, _: tuple[int, int], *, name: str) -> np.ndarray:
    """Read a mask of the release, (H, W) bool."""
    return release.seg_map(name) == FACE
