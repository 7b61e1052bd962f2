"""Synthetic occlusions: NatOcc and RandOcc."""
