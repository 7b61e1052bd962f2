"""Synthetic face occlusion: generation, training and evaluation of occlusion-aware segmentation."""
