"""CelebAMask-HQ in small, in the layout of the release."""

import numpy as np

from face_occlusion.core.images import encode_jpeg, encode_png
from tests.releases.build import ellipse, photo


def celebamask_files() -> dict[str, bytes]:
    """Images of 64 pixels, layers of 32 and corrected masks: 3 of WO train, 2 of WO test, 2 of O.

    One more is in none of the lists.
    """
    root, corrected = "CelebAMask-HQ/CelebAMask-HQ", "CelebAMask-HQ-masks_corrected"
    skin, hair = ellipse(32, 32), np.repeat(np.arange(32) < 10, 32).reshape(32, 32)
    face = np.dstack([skin & ~hair] * 3)  # the authors' have three channels
    files: dict[str, bytes] = {}
    for number in range(8):
        files[f"{root}/CelebA-HQ-img/{number}.jpg"] = encode_jpeg(photo(64, 64, number), 90)
        for name, mask in (("skin", skin), ("hair", hair)):
            layer = f"{root}/CelebAMask-HQ-mask-anno/0/{number:05d}_{name}.png"
            files[layer] = encode_png(mask * np.uint8(255))
        files[f"{corrected}/{corrected}/{number}.png"] = encode_png(face * np.uint8(255))
    for subset, numbers in (("WO-train", (0, 1, 2)), ("WO-test", (3, 4)), ("O", (5, 6))):
        names = "".join(f"{number}.jpg\n" for number in numbers)
        files[f"CelebAMask-HQ-{subset}.txt"] = names.encode()
    return files
