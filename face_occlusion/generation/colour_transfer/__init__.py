"""Colour transfer by sliced optimal transport, from hand to face (Section 3.2)."""
