"""Import RealOcc, RealOcc-Wild, COFW and the unoccluded test faces as image sets."""
