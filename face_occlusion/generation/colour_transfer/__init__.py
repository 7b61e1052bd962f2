"""Colour transfer by sliced optimal transport, from face to hand (Section 3.2 of the paper)."""

from face_occlusion.generation.colour_transfer.transfer import (
    ColourTransferParams,
    transfer_colours,
)

__all__ = ["ColourTransferParams", "transfer_colours"]
