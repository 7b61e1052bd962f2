"""How large a miniature is."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class MiniatureParams:
    """Section `download.miniature` of params.yaml."""

    seed: int  # another seed, other people
    num_wo_train: int  # faces without occluder, for training
    num_wo_test: int  # likewise of other people, for the test
    num_o: int  # occluded faces
    num_hands: int  # photographs of hands
    num_objects: int  # photographs with objects
    num_textures: int
    num_benchmark: int  # faces of each benchmark
    face_px: int  # side of a face's photograph; part masks have half of it

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed: must not be negative; got {self.seed}")
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name.startswith("num_") and value < 1:
                raise ValueError(f"{field.name}: must be at least 1; got {value}")
        if self.face_px < 64 or self.face_px % 4:
            raise ValueError(
                f"face_px: must be a multiple of 4 and at least 64; got {self.face_px}"
            )
