"""Find photographs and people that two image sets share, by perceptual hashes and identities."""
