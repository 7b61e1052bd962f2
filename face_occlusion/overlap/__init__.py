"""Photographs, or people, that stand in two image sets: perceptual hashes and identities."""
