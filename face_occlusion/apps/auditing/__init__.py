"""Find masks that are probably wrong, rank and show them, and export them for correction."""
