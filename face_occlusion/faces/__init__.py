"""Import CelebAMask-HQ: photographs, masks from part layers, corrected masks."""
