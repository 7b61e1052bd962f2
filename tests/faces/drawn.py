"""Corrections as the tools save them."""

import json

from face_occlusion.faces.correction import CorrectionsParams

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
