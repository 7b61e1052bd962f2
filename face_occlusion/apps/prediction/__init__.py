"""Apply a trained run to photographs, export it, and score networks of other people."""
