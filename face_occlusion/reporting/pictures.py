"""Pictures for sheets and the page: thumbnails, and masks drawn as an outline and a tint."""

from __future__ import annotations

import base64

import cv2
import numpy as np

from face_occlusion.images import encode_jpeg


def thumbnail(image: np.ndarray, side_px: int) -> np.ndarray:
    """Fit an image into a square, centred on grey.

    Args:
        image: (H, W, 3) uint8 RGB.
        side_px: Side of the square.

    Returns:
        (side_px, side_px, 3) uint8 RGB.
    """
    return _into_square(image, side_px, (128, 128, 128))


def thumbnail_mask(mask: np.ndarray, side_px: int) -> np.ndarray:
    """Fit a mask into a square as `thumbnail` does; (side_px, side_px) bool.

    The mask may be stored smaller than its image: it is scaled smoothly and cut at a half.
    """
    share = _into_square(mask.astype(np.float32), side_px, (0,))
    return share >= 0.5


def _into_square(image: np.ndarray, side_px: int, fill: tuple[int, ...]) -> np.ndarray:
    height, width = image.shape[:2]
    scale = side_px / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    resized = cv2.resize(
        image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    )
    top, left = (side_px - size[1]) // 2, (side_px - size[0]) // 2
    bottom, right = side_px - size[1] - top, side_px - size[0] - left
    return cv2.copyMakeBorder(resized, top, bottom, left, right, cv2.BORDER_CONSTANT, value=fill)


def outlined(
    image: np.ndarray, mask: np.ndarray, colour: tuple[int, int, int], tint: float = 0.0
) -> np.ndarray:
    """Draw a mask's outline over an image, in colour with a dark rim so that it shows in grey.

    Args:
        image: (H, W, 3) uint8 RGB; left unchanged.
        mask: (H, W) bool.
        colour: RGB of the line.
        tint: How much the colour covers the inside, in [0, 1].

    Returns:
        (H, W, 3) uint8 RGB.
    """
    drawn = image.astype(np.float32)
    drawn[mask] = (1 - tint) * drawn[mask] + tint * np.asarray(colour, np.float32)
    drawn = np.rint(drawn).astype(np.uint8)
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    line_px = max(1, round(image.shape[0] / 160))
    cv2.drawContours(drawn, contours, -1, (20, 20, 20), 3 * line_px, cv2.LINE_AA)
    cv2.drawContours(drawn, contours, -1, colour, line_px, cv2.LINE_AA)
    return drawn


def coloured_errors(image: np.ndarray, pred: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Show a prediction by its errors: face in full light, background dimmed.

    Wrongly face is orange, wrongly background blue; the two differ in lightness as well.

    Args:
        image: (H, W, 3) uint8 RGB; left unchanged.
        pred: (H, W) bool.
        target: (H, W) uint8 seg_map; 255 is shown as predicted.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    shown = image.astype(np.float32)
    shown[~pred] *= 0.35
    for wrong, colour in (
        (pred & (target == 0), (240, 160, 40)),
        (~pred & (target == 1), (0, 90, 190)),
    ):
        shown[wrong] = 0.35 * shown[wrong] + 0.65 * np.asarray(colour, np.float32)
    return np.rint(shown).astype(np.uint8)


def reduced(image: np.ndarray, longer_side_px: int) -> np.ndarray:
    """Shrink an (H, W, 3) uint8 image to a longer side; a smaller image is left as it is."""
    scale = longer_side_px / max(image.shape[:2])
    if scale >= 1:
        return image
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def data_uri(image: np.ndarray, quality: int = 80) -> str:
    """Encode an (H, W, 3) uint8 RGB image as a data URI of a JPEG."""
    text = base64.b64encode(encode_jpeg(image, quality)).decode("ascii")
    return f"data:image/jpeg;base64,{text}"


def parse_colour(text: str) -> tuple[int, int, int]:
    """Read `#rrggbb`.

    Raises:
        ValueError: If it is something else.
    """
    digits = text.removeprefix("#")
    if len(digits) != 6 or len(text) != 7:
        raise ValueError(f"a colour must be #rrggbb; got {text!r}")
    try:
        red, green, blue = bytes.fromhex(digits)
    except ValueError as error:
        raise ValueError(f"a colour must be #rrggbb; got {text!r}") from error
    return red, green, blue
