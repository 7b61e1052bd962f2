"""Corrections as the tools save them."""

import base64
import json

import numpy as np

from face_occlusion.core.images import encode_png
from face_occlusion.faces.correction import CorrectionsParams

PARAMS = CorrectionsParams(
    folder="corrections",
    labels={"face": "face", "hand": "background", "background": "background", "blur": "ignored"},
)
SIZE = (20, 30)  # height, width


def box(left, top, right, bottom):
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def flat(points):
    return [value for point in points for value in point]


def shape(label, points, kind="polygon", **more):
    return {"label": label, "points": points, "shape_type": kind, "group_id": None, **more}


def labelme(*shapes, name="24.jpg", size=SIZE, **changed):
    content = {"version": "5.5.0", "flags": {}, "shapes": list(shapes), "imageData": None}
    content |= {"imagePath": name, "imageHeight": size[0], "imageWidth": size[1]}
    return json.dumps(content | changed)


def png_shape(label, mask, corner):
    png = base64.b64encode(encode_png(mask)).decode()
    end = [corner[0] + mask.shape[1] - 1, corner[1] + mask.shape[0] - 1]
    return shape(label, [list(corner), end], "mask", mask=png)


def coco(*annotations, name="24.jpg", categories=("face", "hand")):
    images = [{"id": 7, "file_name": name, "height": SIZE[0], "width": SIZE[1]}]
    rows = [
        {"id": n, "image_id": 7, "category_id": category, "segmentation": segmentation}
        for n, (category, segmentation) in enumerate(annotations, 1)
    ]
    names = [{"id": n, "name": c} for n, c in enumerate(categories, 1)]
    return json.dumps({"images": images, "categories": names, "annotations": rows})


def page(*masks, verdict="accept", edited=True, categories=("face", "ignored"), **changed):
    """Save masks of classes 1 and 2 as the correction pages do."""
    content = json.loads(coco(*enumerate(masks, 1), categories=categories))
    content["images"][0] |= {"verdict": verdict, "edited": edited, "comment": "", **changed}
    return json.dumps(content)


def sample(annotations, name="24.jpg", status="LABELED", url=None):
    label = {"format_version": "0.1", "annotations": annotations}
    if url:
        label["segmentation_bitmap"] = {"url": url}
    return {
        "name": name,
        "attributes": {"image": {"url": "https://x/24.jpg", "height": SIZE[0], "width": SIZE[1]}},
        "labels": {"ground-truth": {"label_status": status, "attributes": label}},
    }


def segments(*samples):
    names = [{"id": 1, "name": "face"}, {"id": 2, "name": "hand"}]
    task = {"format_version": "0.1", "categories": names}
    dataset = {"name": "masks", "task_attributes": task, "samples": samples}
    return json.dumps({"name": "v1", "dataset": dataset})


def id_png(ids):
    """Encode instance ids as Segments.ai does: R + 256 G + 65536 B, alpha 255."""
    ids = np.asarray(ids, np.uint32)
    planes = [ids & 255, ids >> 8 & 255, ids >> 16 & 255, np.full(ids.shape, 255)]
    return encode_png(np.stack(planes, axis=2).astype(np.uint8))


def put(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder
