"""How well hashes tell copies from other photographs: python -m bench.overlap DATA.

DATA/faces/wo is hashed as training images are. Copies of some of them, changed as republished
photographs are, serve as benchmark images. Prints the share of copies found and of other pairs
suspected at several thresholds.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from face_occlusion.core.images import decode_image, encode_jpeg
from face_occlusion.core.imageset import ImageSet
from face_occlusion.overlap.compare import all_distances, hash_image

Sample = tuple[np.ndarray, np.ndarray]
THRESHOLDS = (40, 48, 52, 56, 60, 64, 68, 72)


def jpeg(sample: Sample, quality: int) -> Sample:
    """Compress the image."""
    return decode_image(encode_jpeg(sample[0], quality), "copy"), sample[1]


def resized(sample: Sample, scale: float) -> Sample:
    """Resize image and mask."""
    image = cv2.resize(sample[0], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    mask = cv2.resize(sample[1], image.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    return image, mask


def brighter(sample: Sample, gain: float, offset: float) -> Sample:
    """Brighten, clipped."""
    changed = np.clip(sample[0].astype(np.float32) * gain + offset, 0, 255)
    return np.rint(changed).astype(np.uint8), sample[1]


def cropped(sample: Sample, frac: float, rng: np.random.Generator) -> Sample:
    """Cut a share of height and width off, anywhere."""
    height, width = sample[1].shape
    off_y, off_x = int(height * frac), int(width * frac)
    top, left = int(rng.integers(0, off_y + 1)), int(rng.integers(0, off_x + 1))
    rows, columns = slice(top, height - off_y + top), slice(left, width - off_x + left)
    return sample[0][rows, columns], sample[1][rows, columns]


def turned(sample: Sample, angle_deg: float) -> Sample:
    """Turn about the middle."""
    height, width = sample[1].shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle_deg, 1)
    image = cv2.warpAffine(sample[0], matrix, (width, height), borderMode=cv2.BORDER_REFLECT)
    return image, cv2.warpAffine(sample[1], matrix, (width, height), flags=cv2.INTER_NEAREST)


def in_the_wild(sample: Sample, rng: np.random.Generator) -> Sample:
    """Make it part of a larger picture, turned, compressed, with a new mask."""
    height = sample[1].shape[0]
    around = [int(share * height) for share in rng.uniform(0.2, 1.0, 4)]
    top, bottom, left, right = around
    image = cv2.copyMakeBorder(sample[0], top, bottom, left, right, cv2.BORDER_REFLECT)
    mask = cv2.copyMakeBorder(sample[1], top, bottom, left, right, cv2.BORDER_CONSTANT, value=0)
    image, mask = jpeg(turned((image, mask), float(rng.uniform(-15, 15))), 75)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * max(1, height // 100) + 1,) * 2)
    return image, (cv2.dilate if rng.random() < 0.5 else cv2.erode)(mask, kernel)


def copies(rng: np.random.Generator) -> dict[str, Callable[[Sample], Sample]]:
    """Name the ways a photograph is changed."""
    return {
        "JPEG quality 20": lambda sample: jpeg(sample, 20),
        "half the size": lambda sample: resized(sample, 0.5),
        "brighter by 30 %": lambda sample: brighter(sample, 1.3, 10),
        "mirrored": lambda sample: (sample[0][:, ::-1].copy(), sample[1][:, ::-1].copy()),
        "turned by 8 degrees": lambda sample: turned(sample, 8),
        "cropped by 5 %": lambda sample: cropped(sample, 0.05, rng),
        "cropped by 10 %": lambda sample: cropped(sample, 0.10, rng),
        "part of a larger picture, turned": lambda sample: in_the_wild(sample, rng),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with the image set faces/wo")
    parser.add_argument("--num-copies", type=int, default=150)
    args = parser.parse_args()

    faces = ImageSet(args.data / "faces" / "wo")
    samples = [(faces.image(key), faces.seg_map(key)) for key in faces.keys]
    step = max(1, len(samples) // args.num_copies)
    chosen = np.arange(0, len(samples), step)
    plain = np.stack([hash_image(image, mask) for image, mask in samples])
    variants = np.stack([hash_image(*samples[index], variants=True) for index in chosen])
    others = all_distances(plain, variants)
    others = others[np.arange(len(samples))[:, None] != chosen]
    print(f"other pairs: {others.size}, closest {others.min()} bits, median {np.median(others):g}")
    print("| | " + " | ".join(f"{bits} bits" for bits in THRESHOLDS) + " |")
    print("|---" * (len(THRESHOLDS) + 1) + "|")
    suspected = [f"{np.count_nonzero(others <= bits)}" for bits in THRESHOLDS]
    print("| other pairs suspected | " + " | ".join(suspected) + " |")
    for name, change in copies(np.random.default_rng(0)).items():
        made = np.stack([hash_image(*change(samples[i]), variants=True) for i in chosen])
        bits = np.array(
            [all_distances(plain[i : i + 1], made[n : n + 1])[0, 0] for n, i in enumerate(chosen)]
        )
        found = [f"{100 * np.mean(bits <= threshold):.0f} %" for threshold in THRESHOLDS]
        print(f"| {name} | " + " | ".join(found) + " |", flush=True)


if __name__ == "__main__":
    main()
