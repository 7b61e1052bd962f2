"""Landmarks of a face, and the upright FFHQ square around them."""
