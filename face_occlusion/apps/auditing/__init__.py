"""Find masks that are probably wrong: rank them, show them, and hand them over for correction."""
