"""Import CelebAMask-HQ: part masks, corrected masks and corrections of one's own."""
