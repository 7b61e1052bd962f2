"""CelebAMask-HQ in small, and corrections as the tools save them."""

import json

import numpy as np

from face_occlusion.core.images import encode_jpeg, encode_png
from face_occlusion.faces.correction import CorrectionsParams
from tests.releases.build import ellipse, photo

PARAMS = CorrectionsParams(
    folder="corrections",
    labels={"face": "face", "hand": "background", "background": "background", "blur": "ignored"},
)
SIZE = (20, 30)  # height, width


def box(left, top, right, bottom):
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def shape(label, points, kind="polygon", **more):
    return {"label": label, "points": points, "shape_type": kind, "group_id": None, **more}


def labelme(*shapes, name="24.jpg", size=SIZE, **changed):
    content = {"version": "5.5.0", "flags": {}, "shapes": list(shapes), "imageData": None}
    content |= {"imagePath": name, "imageHeight": size[0], "imageWidth": size[1]}
    return json.dumps(content | changed)


def put(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


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
