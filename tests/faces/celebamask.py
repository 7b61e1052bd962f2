"""CelebAMask-HQ in small, in the layout of the release."""

import numpy as np

from face_occlusion.core.images import encode_jpeg, encode_png
from tests.releases.build import ellipse, photo


def celebamask_files(
    *, wo: int = 3, wo_test: int = 2, o: int = 2, excluded: int = 1, size: int = 64
) -> dict[str, bytes]:
    """CelebAMask-HQ in small: images of `size`, layers of half that, corrected masks."""
    files: dict[str, bytes] = {}
    half = size // 2
    root = "CelebAMask-HQ/CelebAMask-HQ"
    for number in range(wo + wo_test + o + excluded):
        files[f"{root}/CelebA-HQ-img/{number}.jpg"] = encode_jpeg(photo(size, size, number), 90)
        skin = ellipse(half, half)
        hair = np.zeros_like(skin)
        hair[: half // 3] = True
        anno = f"{root}/CelebAMask-HQ-mask-anno/{number // 2000}/{number:05d}"
        files[f"{anno}_skin.png"] = encode_png(skin.astype(np.uint8) * 255)
        files[f"{anno}_hair.png"] = encode_png(hair.astype(np.uint8) * 255)
        corrected = (skin & ~hair).astype(np.uint8) * 255
        files[f"CelebAMask-HQ-masks_corrected/CelebAMask-HQ-masks_corrected/{number}.png"] = (
            encode_png(np.repeat(corrected[..., np.newaxis], 3, axis=2))  # the authors' have 3
        )
    names = iter(range(wo + wo_test + o))
    for subset, count in (("WO-train", wo), ("WO-test", wo_test), ("O", o)):
        listed = "".join(f"{next(names)}.jpg\n" for _ in range(count))
        files[f"CelebAMask-HQ-{subset}.txt"] = listed.encode()
    return files
