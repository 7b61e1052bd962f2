"""Pictures of image sets for people."""
