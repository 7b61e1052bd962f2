import pytest

from face_occlusion.occluders import OccludersParams
from face_occlusion.occluders.coco import SelectionParams
from face_occlusion.occluders.hands import HandsParams
from face_occlusion.occluders.objects import ObjectsParams
from face_occlusion.occluders.textures import TexturesParams
from face_occlusion.superresolution.enlarger import SuperresolutionParams
from tests.occluders.imports import HANDS, OBJECTS, PARAMS, SELECTION

OBJECTS_TOO = OBJECTS | {"selection": PARAMS.objects.selection}
TEXTURES = {"size_px": 64, "jpeg_quality": 90}
ENLARGED = {"method": "lanczos", "max_side_px": 100, "samples_per_shard": 2}


@pytest.mark.parametrize(
    ("kind", "good", "bad", "message"),
    [
        (HandsParams, HANDS, {"max_hands": -1}, "^max_hands"),
        (HandsParams, HANDS, {"max_side_px": 1}, "^max_side_px"),
        (HandsParams, HANDS, {"soft_px": -1}, "^soft_px: must be a number >= 0"),
        (HandsParams, HANDS, {"hole_frac": 2}, "^hole_frac: must be"),
        (ObjectsParams, OBJECTS_TOO, {"source": "web"}, "^source: must be one of"),
        (ObjectsParams, OBJECTS_TOO, {"num_objects": 0}, "^num_objects: must be a whole"),
        (ObjectsParams, OBJECTS_TOO, {"soft_px": 99}, "^soft_px: must be"),
        (SelectionParams, SELECTION, {"categories": "cup"}, "^categories: must be a list"),
        (SelectionParams, SELECTION, {"categories": ["cup", "cup"]}, "^categories: a name occurs"),
        (SelectionParams, SELECTION, {"max_contact_frac": 2}, "^max_contact_frac"),
        (SelectionParams, SELECTION, {"max_per_category": 0}, "^max_per_category"),
        (SelectionParams, SELECTION, {"border_px": -1}, "^border_px"),
        (SelectionParams, SELECTION, {"supports": "table"}, "^supports"),
        (TexturesParams, TEXTURES, {"size_px": 4}, "^size_px"),
        (TexturesParams, TEXTURES, {"jpeg_quality": 101}, "^jpeg_quality"),
        (SuperresolutionParams, ENLARGED, {"method": "glean"}, "^method: must be one of none"),
        (SuperresolutionParams, ENLARGED, {"max_side_px": 0}, "^max_side_px: must be a whole"),
        (SuperresolutionParams, ENLARGED, {"samples_per_shard": 0}, "^samples_per_shard"),
        (OccludersParams, vars(PARAMS), {"samples_per_shard": 0}, "^samples_per_shard"),
    ],
)
def test_parameters_are_checked(kind, good, bad, message):
    with pytest.raises(ValueError, match=message):
        kind(**{**good, **bad})
