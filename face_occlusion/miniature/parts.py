"""The labels of a drawing: the part layers of CelebAMask-HQ (Lee et al. 2020, section 3.1)."""

from __future__ import annotations

import enum


class Part(enum.IntEnum):
    """What a pixel shows; names in lower case are the release's file names.

    Sides are the person's: `l_eye` lies on the right of the picture, as in the release.
    """

    BACKGROUND = 0
    SKIN = 1
    L_BROW = 2
    R_BROW = 3
    L_EYE = 4
    R_EYE = 5
    NOSE = 6
    MOUTH = 7
    U_LIP = 8
    L_LIP = 9
    EYE_G = 10
    L_EAR = 11
    R_EAR = 12
    EAR_R = 13
    NECK = 14
    NECK_L = 15
    CLOTH = 16
    HAIR = 17
    HAT = 18
    OCCLUDER = 19  # has no layer: background, or called skin by mistake


# Table 1 of the paper: skin of the head with eyes, nose and mouth, without ears.
FACE_PARTS = (
    Part.SKIN,
    Part.L_BROW,
    Part.R_BROW,
    Part.L_EYE,
    Part.R_EYE,
    Part.NOSE,
    Part.MOUTH,
    Part.U_LIP,
    Part.L_LIP,
)
LAYERS = tuple(part for part in Part if part not in (Part.BACKGROUND, Part.OCCLUDER))
