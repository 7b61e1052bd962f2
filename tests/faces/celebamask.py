"""CelebAMask-HQ in small, in the layout of the release."""

import numpy as np

from face_occlusion.core.images import encode_jpeg, encode_png
from tests.releases.build import ellipse, photo


def celebamask_files(
    *, wo: int = 3, wo_test: int = 2, o: int = 2, excluded: int = 1, size: int = 64
) -> dict[str, bytes]:
    """CelebAMask-HQ in small: images of `size`, layers of half that, corrected masks."""
    files: dict[str, bytes] = {}
    half, root = size // 2, "CelebAMask-HQ/CelebAMask-HQ"
    skin, hair = ellipse(half, half), np.arange(half)[:, np.newaxis] < half // 3
    layers = {"skin": skin, "hair": np.broadcast_to(hair, skin.shape)}
    corrected = np.dstack([skin & ~hair] * 3)  # the authors' have three channels
    masks = "CelebAMask-HQ-masks_corrected/CelebAMask-HQ-masks_corrected"
    for number in range(wo + wo_test + o + excluded):
        files[f"{root}/CelebA-HQ-img/{number}.jpg"] = encode_jpeg(photo(size, size, number), 90)
        for name, layer in layers.items():
            layer_path = f"{root}/CelebAMask-HQ-mask-anno/{number // 2000}/{number:05d}_{name}.png"
            files[layer_path] = encode_png(layer * np.uint8(255))
        files[f"{masks}/{number}.png"] = encode_png(corrected * np.uint8(255))
    names = iter(range(wo + wo_test + o))
    for subset, count in (("WO-train", wo), ("WO-test", wo_test), ("O", o)):
        listed = "".join(f"{next(names)}.jpg\n" for _ in range(count))
        files[f"CelebAMask-HQ-{subset}.txt"] = listed.encode()
    return files
