"""Pictures for sheets and the page: thumbnails, and masks drawn as an outline and a tint."""

import base64

import cv2
import numpy as np

from face_occlusion.core.images import encode_jpeg, fitted_size

# Wrong pixels: the two differ in lightness as well as in hue, see the test of the palette.
EXTRA_RGB = (240, 160, 40)  # predicted face, is background
MISSED_RGB = (0, 90, 190)  # predicted background, is face
STRIPE_RGB = (150, 200, 255)  # on the latter: in grey they would pass for dimmed background
RIM_RGB = (20, 20, 20)  # around lines, so that they show on any picture


def thumbnail(image: np.ndarray, side_px: int) -> np.ndarray:
    """Fit (H, W, 3) uint8 RGB into a square of `side_px`, centred on grey."""
    return into_square(image, side_px, (128, 128, 128))


def thumbnail_mask(mask: np.ndarray, side_px: int) -> np.ndarray:
    """Fit a mask into a square as `thumbnail` does; (side_px, side_px) bool.

    The mask may be stored smaller than its image: it is scaled smoothly and cut at a half.
    """
    share = into_square(mask.astype(np.float32), side_px, (0,))
    return share >= 0.5


def into_square(image: np.ndarray, side_px: int, fill: tuple[int, ...]) -> np.ndarray:
    """Fit an image into the middle of a square that is filled with one value."""
    height, width = fitted_size(image.shape[:2], side_px)
    how = cv2.INTER_AREA if side_px < max(image.shape[:2]) else cv2.INTER_LINEAR
    resized = cv2.resize(image, (width, height), interpolation=how)
    top, left = (side_px - height) // 2, (side_px - width) // 2
    bottom, right = side_px - height - top, side_px - width - left
    return cv2.copyMakeBorder(resized, top, bottom, left, right, cv2.BORDER_CONSTANT, value=fill)


def outlined(
    image: np.ndarray, mask: np.ndarray, colour: tuple[int, int, int], tint: float = 0.0
) -> np.ndarray:
    """Draw a mask's outline over an image, in colour with a dark rim so that it shows in grey.

    `image` is (H, W, 3) uint8 RGB, left unchanged, and so is the result; `mask` is (H, W) bool. The
    colour covers the inside by `tint`, in [0, 1].
    """
    drawn = image.astype(np.float32)
    drawn[mask] = (1 - tint) * drawn[mask] + tint * np.asarray(colour, np.float32)
    drawn = np.rint(drawn).astype(np.uint8)
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    line_px = max(1, round(image.shape[0] / 160))
    cv2.drawContours(drawn, contours, -1, RIM_RGB, 3 * line_px, cv2.LINE_AA)
    cv2.drawContours(drawn, contours, -1, colour, line_px, cv2.LINE_AA)
    return drawn


def outline_path(mask: np.ndarray) -> str:
    """Write the outlines of an (H, W) bool mask as an SVG path, through pixels' centres.

    Points less than half a pixel off a straight line are left out; "" for an empty mask.
    """
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    thinned = (cv2.approxPolyDP(contour, 0.5, True)[:, 0] for contour in contours)
    return "".join(
        "M" + "L".join(f"{x + 0.5:g} {y + 0.5:g}" for x, y in points.tolist()) + "Z"
        for points in thinned
    )


def detail(image: np.ndarray, region: np.ndarray, share: float) -> np.ndarray:
    """Cut a window out of an image, around the centre of a region, wholly inside the image.

    Of an (H, W, 3) image, `share` of its sides in (0, 1], a view. For an empty (H, W) bool region
    the image's centre is taken.
    """
    size = [max(1, round(side * share)) for side in region.shape]
    found = np.argwhere(region)
    centre = found.mean(axis=0) if len(found) else np.array(region.shape) / 2
    top, left = (
        int(np.clip(round(middle - side / 2), 0, whole - side))
        for middle, side, whole in zip(centre, size, region.shape, strict=True)
    )
    return image[top : top + size[0], left : left + size[1]]


def on_checks(cutout: np.ndarray) -> np.ndarray:
    """Show (H, W, 4) uint8 premultiplied RGBA on a checkerboard; (H, W, 3) uint8 RGB."""
    shown = cutout.astype(np.float32)
    rows, columns = np.indices(shown.shape[:2]) // max(1, max(shown.shape[:2]) // 28)
    checks = np.array([235, 205], np.float32)[(rows + columns) % 2][..., np.newaxis]
    behind = checks * (1 - shown[..., 3:] / 255)
    return np.rint(np.clip(shown[..., :3] + behind, 0, 255)).astype(np.uint8)


def with_square(
    image: np.ndarray, square: np.ndarray, points: np.ndarray, colour: tuple[int, int, int]
) -> np.ndarray:
    """Draw an oriented square and (N, 2) landmarks, on grey where the square leaves the image.

    The (3, 2) `square` is that of `face_occlusion.alignment`: its top left corner, and the vectors
    along its top and left side, in pixels (x, y). A mark shows its top. The (H, W, 3) uint8 image
    is left unchanged; the result is as large as it and the square.
    """
    corner, right, down = square
    corners = np.array([corner, corner + right, corner + right + down, corner + down])
    low = np.minimum(np.floor(corners.min(axis=0)).astype(int) - 4, 0)
    high = np.maximum(np.ceil(corners.max(axis=0)).astype(int) + 5, image.shape[1::-1])
    left, top = -low
    spare = high - image.shape[1::-1]
    canvas = cv2.copyMakeBorder(
        image, top, int(spare[1]), left, int(spare[0]), cv2.BORDER_CONSTANT, value=(128, 128, 128)
    )
    line_px = max(1, round(max(canvas.shape) / 160))
    outline = np.rint(corners - low).astype(np.int32)
    middle = np.rint([(corner + right / 2 - low), (corner + right / 2 + down / 12 - low)])
    for thickness, tone in ((3 * line_px, RIM_RGB), (line_px, colour)):
        cv2.polylines(canvas, [outline], True, tone, thickness, cv2.LINE_AA)
        cv2.polylines(canvas, [middle.astype(np.int32)], False, tone, thickness, cv2.LINE_AA)
        for x, y in np.rint(points - low).astype(int).tolist():
            cv2.circle(canvas, (x, y), (thickness + line_px) // 2, tone, -1, cv2.LINE_AA)
    return canvas


def coloured_errors(image: np.ndarray, pred: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Show a prediction by its errors: face in full light, background dimmed.

    Wrongly face is orange, wrongly background blue with light stripes, which differ without colour
    as well; where the (H, W) uint8 `target` is 255, it is shown as predicted. The (H, W, 3) uint8
    image is left unchanged. The page paints the same in `browser.js`.
    """
    shown = image.astype(np.float32)
    shown[~pred] *= 0.35
    missed = ~pred & (target == 1)
    rows, columns = np.indices(pred.shape)
    period = max(4, pred.shape[0] // 32)
    striped = (rows + columns) % period < period // 4
    for wrong, colour in (
        (pred & (target == 0), EXTRA_RGB),
        (missed & ~striped, MISSED_RGB),
        (missed & striped, STRIPE_RGB),
    ):
        shown[wrong] = 0.35 * shown[wrong] + 0.65 * np.asarray(colour, np.float32)
    return np.rint(shown).astype(np.uint8)


def data_uri(image: np.ndarray, quality: int = 80) -> str:
    """Encode an (H, W, 3) uint8 RGB image as a data URI of a JPEG."""
    text = base64.b64encode(encode_jpeg(image, quality)).decode("ascii")
    return f"data:image/jpeg;base64,{text}"
