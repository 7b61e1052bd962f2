"""Ways to enlarge objects four times, side by side: `python -m bench.superresolution`.

Objects that are large enough are shrunk four times, enlarged again and compared with themselves:
distance in levels, and sharpness (standard deviation of the Laplacian) relative to the original's.
The figure shows other, small objects as they come, enlarged by each method.
"""

import argparse
import logging
import time
from pathlib import Path

import cv2
import numpy as np

from bench.machine import machine
from face_occlusion.core.images import encode_png
from face_occlusion.core.params import load_params
from face_occlusion.core.release import Release
from face_occlusion.cutouts import fill_colours
from face_occlusion.occluders import OccludersParams
from face_occlusion.occluders.objects import ObjectsParams, select_objects
from face_occlusion.superresolution.enlarger import Enlarger

SHOWN = ("nearest", "bicubic", "lanczos", "realesrgan")
CELL_PX, NUM_SHOWN, LABEL_PX = 240, 5, 24
LEAST_PX, MOST_PX = 120, 260  # longer side of an object that is compared with itself
BACKDROP = 128


def main() -> None:
    """Print the table and write the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--coco", type=Path, default=Path("data/raw/coco"), help="the release")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--num", type=int, default=12, help="objects compared with themselves")
    parser.add_argument("--out", type=Path, default=Path("superresolution.png"))
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    cv2.setNumThreads(1)

    logging.info(machine())
    params = load_params(args.params, "occluders", OccludersParams).objects
    cutouts = _cut_out(Release(args.coco), params)
    large = [c for c in cutouts if LEAST_PX <= max(c.shape[:2]) <= MOST_PX][: args.num]
    print("| method | distance, levels | sharpness | seconds for a megapixel made |")
    print("|---|---|---|---|")
    enlargers = {method: Enlarger(method) for method in SHOWN}
    for method, enlarger in enlargers.items():
        distance, sharpness, seconds = _compare(large, enlarger)
        print(f"| {method} | {distance:.1f} | {sharpness:.2f} | {seconds:.2f} |")
    args.out.write_bytes(encode_png(draw(cutouts, enlargers)))
    logging.info("%d objects compared; figure in %s", len(large), args.out)


def _cut_out(release: Release, params: ObjectsParams) -> list[np.ndarray]:
    """Cut out all objects that the parameters choose, smallest first."""
    objects, _ = select_objects(release, params.selection, params.num_objects)
    cutouts = [item.cut_out(release, params)[0] for item in objects]
    return sorted(cutouts, key=lambda cutout: cutout.shape[0] * cutout.shape[1])


def _compare(cutouts: list[np.ndarray], enlarger: Enlarger) -> tuple[float, float, float]:
    """Return mean distance in levels, sharpness relative to the original's, seconds a megapixel."""
    distances, sharpness, seconds, pixels = [], [], 0.0, 0
    for cutout in cutouts:
        height, width = (side // 4 * 4 for side in cutout.shape[:2])
        original = cutout[:height, :width]
        small = cv2.resize(original, (width // 4, height // 4), interpolation=cv2.INTER_AREA)
        start = time.perf_counter()
        made = enlarger(small)
        seconds += time.perf_counter() - start
        pixels += made.shape[0] * made.shape[1]
        solid = cv2.erode(original[..., 3], np.ones((9, 9))) == 255
        true, found = fill_colours(original).astype(float), fill_colours(made).astype(float)
        distances.append(np.abs(true - found)[solid].mean())
        sharpness.append(_laplacian(found)[solid].std() / _laplacian(true)[solid].std())
    return float(np.mean(distances)), float(np.mean(sharpness)), 1e6 * seconds / pixels


def _laplacian(image: np.ndarray) -> np.ndarray:
    return cv2.Laplacian(image.mean(axis=2), cv2.CV_64F)


def draw(cutouts: list[np.ndarray], enlargers: dict[str, Enlarger]) -> np.ndarray:
    """Draw small objects, one a row, enlarged by each method, one a column.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    header = np.full((LABEL_PX, CELL_PX * len(enlargers), 3), 255, np.uint8)
    for place, method in enumerate(enlargers):
        corner = (place * CELL_PX + 6, LABEL_PX - 8)
        cv2.putText(
            header, method, corner, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA
        )
    shown = cutouts[: len(cutouts) // 2 : max(1, len(cutouts) // (2 * NUM_SHOWN))][:NUM_SHOWN]
    rows = [
        np.hstack([_cell(enlarge(cutout)) for enlarge in enlargers.values()]) for cutout in shown
    ]
    return np.vstack([header, *rows])


def _cell(rgba: np.ndarray) -> np.ndarray:
    """Lay the middle of a cut-out over grey."""
    height, width = rgba.shape[:2]
    top, left = max(0, (height - CELL_PX) // 2), max(0, (width - CELL_PX) // 2)
    part = rgba[top : top + CELL_PX, left : left + CELL_PX].astype(np.float32)
    cell = np.full((CELL_PX, CELL_PX, 3), BACKDROP, np.uint8)
    over = part[..., :3] + BACKDROP * (1 - part[..., 3:] / 255)
    cell[: part.shape[0], : part.shape[1]] = np.rint(over)
    return cell


if __name__ == "__main__":
    main()
