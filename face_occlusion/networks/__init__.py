"""MMSegmentation's networks with the same weights and cheaper arithmetic.

Each class computes what its parent computes, up to rounding, and has the parent's state dict key
for key; the tests compare them on the CPU. What differs is said where it differs.
"""
