"""Corrections of face masks, drawn in LabelMe, in Segments.ai or in any tool that writes COCO.

They lie in one folder, in a subfolder named after their format:

    labelme/    one JSON a face, as LabelMe saves it
    segments/   a release's JSON with its bitmaps beside it, or with polygons
    coco/       JSONs with images, annotations (polygons or run lengths) and categories

A correction belongs to the face whose number its image is named by (`24.jpg`, `00024.jpg`).
"""

from face_occlusion.faces.corrections.correction import NO_FOLDER, Correction, CorrectionsParams
from face_occlusion.faces.corrections.reading import read_corrections

__all__ = ["NO_FOLDER", "Correction", "CorrectionsParams", "read_corrections"]
