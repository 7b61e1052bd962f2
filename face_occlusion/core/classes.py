"""Class ids of segmentation maps: what a pixel shows."""

BACKGROUND, FACE, IGNORED = 0, 1, 255
