"""Imports of occluders with parameters fit for small drawn releases."""

import dataclasses

from face_occlusion.occluders import OccludersParams, import_occluders
from face_occlusion.occluders.hands import HandsParams
from face_occlusion.occluders.objects import ObjectsParams, SelectionParams
from face_occlusion.occluders.textures import TexturesParams
from tests.releases.build import make_release

SELECTION = {
    "categories": ["cup", "cell phone"],
    "min_area_px": 100,
    "min_side_px": 8,
    "border_px": 3,
    "max_contact_frac": 0.1,
    "supports": ["dining table"],
    "max_per_category": 5,
}
EDGE = {"soft_px": 1.0, "edge_px": 2}
SELECTED = SelectionParams(**SELECTION)
PARAMS = OccludersParams(
    samples_per_shard=1,
    hands=HandsParams(max_hands=0, max_side_px=400, close_px=3, hole_frac=0.01, **EDGE),
    objects=ObjectsParams(source="annotations", num_objects=2, selection=SELECTED, **EDGE),
    textures=TexturesParams(size_px=40, jpeg_quality=90),
)


def run(tmp_path, kind, origin, files, /, **changed):
    """Import a release's files as occluders of a kind, with changed parameters of that kind.

    Files that are None are left out.
    """
    files = {name: content for name, content in files.items() if content is not None}
    release = make_release(tmp_path / "raw", origin, files)
    section = kind.partition("_")[0]
    own = dataclasses.replace(getattr(PARAMS, section), **changed)
    params = dataclasses.replace(PARAMS, **{section: own})
    return import_occluders(kind, release, tmp_path / "out", params, workers=1)
