"""Occlude training faces as they are read: nothing is written, and no image is seen twice.

Sample number p of a run is occluded, or not, by a function of the run's seed and p, so that a
resumed run goes on with the same images. On the CPU its pixels are those of `generation.occlude`;
for a GPU it is packed, and painted with the rest of its batch inside the training step.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from face_occlusion.core.combination import Online, OnlineSet
from face_occlusion.core.files import code_sha256, errors_name
from face_occlusion.core.imageset import ImageSet
from face_occlusion.core.params import build
from face_occlusion.generation import Occluder, Texture
from face_occlusion.generation.compositing import Layer, occlude_label
from face_occlusion.generation.occlusion import draw_occlusion, paint_occlusion
from face_occlusion.generation.params import GenerateParams
from face_occlusion.generation.store import open_store
from face_occlusion.online.drawing import Atlas, Drawn, Sizes, pack, sizes_of
from face_occlusion.online.painting import Painter, PaintingPreprocessor, compile_painter

STREAM = 2  # of a position's random numbers: its augmentation stays as it is without occlusion


def plan_online(names: Sequence[str], share: float, data: Path) -> Online:
    """List what decides the occlusions of a run: parameters, occluders, code.

    A `share` of the unoccluded faces is occluded as are the samples of the sets `names` below
    `data`/sets; these samples themselves are not read. A set or occluders that are missing or
    absent are a ValueError.
    """
    sets = []
    for name in names:
        made = ImageSet(data / "sets" / name)
        if made.absent is not None:
            raise ValueError(f"{made.folder}: cannot be repeated online: {made.absent}")
        values = {"variants": 1} | made.info["params"]
        params = build(f"{made.folder}: params", values, GenerateParams)
        sets.append(online_set(name, params, data))
    return Online(sets=sets, share=share, code=code_sha256(__name__))


def online_set(name: str, params: GenerateParams, data: Path) -> OnlineSet:
    """List what decides one set's occlusions: its parameters and its occluders, below `data`."""
    occluders = f"occluders/{params.occluders}"
    sha256 = ImageSet(data / occluders).sha256
    return OnlineSet(name=name, params=asdict(params), occluders=occluders, sha256=sha256)


@dataclass(frozen=True)
class Source:
    """One set: its name, its parameters, its occluders, and their number in the atlas."""

    name: str
    params: GenerateParams
    store: Sequence[Occluder] | Sequence[Texture]
    store_number: int


@dataclass
class OnlineOcclusion:
    """Occludes the faces of a run; picklable, for the processes that read them."""

    sources: Sequence[Source]  # what it draws from
    share: float  # of the faces, that it occludes
    seed: int  # the run's
    atlas: Atlas | None = None  # for a GPU: all occluders' pixels; None paints here
    sizes: Sizes | None = None  # for a GPU: of what is drawn

    def __call__(
        self, image: np.ndarray, seg_map: np.ndarray, position: int, *, is_unoccluded: bool
    ) -> Drawn:
        """Occlude a sample, or draw how the GPU is to occlude it; an occluded face stays as it is.

        `image` (S, S, 3) uint8 RGB and `seg_map` (S, S) uint8 class ids are left unchanged;
        `position` is the sample's number in the run. Returns `image` and `seg_map`, for a GPU also
        what `drawing.pack` returns.
        """
        drawn = self._draw(image, seg_map, position) if is_unoccluded else None
        packed: Drawn | None = None
        if drawn is not None:
            image, seg_map, face_mask, layer, record, source = drawn
            if self.atlas and self.sizes:
                levels = self.atlas.places[source.store_number][record["occluder"]]
                packed = pack(image, face_mask, layer, record, levels, self.sizes)
            if packed is None:
                image = paint_occlusion(image, face_mask, layer, record)
                occlude_label(seg_map, layer)
        if self.sizes:
            packed = packed or self.sizes.drawn(self.sizes.neutral())
        return {"image": image, "seg_map": seg_map} | (packed or {})

    def record_at(
        self, image: np.ndarray, seg_map: np.ndarray, position: int
    ) -> dict[str, Any] | None:
        """Return the record of a position's occlusion, for `generation.regenerate`.

        It has the key `set`, the name of the set that it was drawn from, and is None if this
        position's face is not occluded.
        """
        drawn = self._draw(image, seg_map, position)
        return None if drawn is None else {"set": drawn[-1].name} | drawn[-2]

    def _draw(
        self, image: np.ndarray, seg_map: np.ndarray, position: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, Layer, dict[str, Any], Source] | None:
        """Draw a position's occlusion; None if it has none."""
        rng = np.random.default_rng([position, self.seed, STREAM])
        if rng.uniform() >= self.share:
            return None
        source = self.sources[int(rng.integers(len(self.sources)))]
        with errors_name(f"sample {position}, online {source.name}"):
            drawn = draw_occlusion(image, seg_map, source.store, rng, source.params)
        return *drawn, source

    def attach(self, model: Any, *, compiled: bool) -> None:
        """Let the `data_preprocessor` of a network paint, if this draws for a GPU."""
        if self.atlas is None or self.sizes is None:
            return
        device = next(model.parameters()).device
        painter = Painter(torch.from_numpy(self.atlas.pixels).to(device), self.sizes)
        paint = compile_painter(painter) if compiled else painter
        model.data_preprocessor = PaintingPreprocessor(model.data_preprocessor, paint)


def open_online(
    online: Online, data: Path, scratch: Path, *, side_px: int, seed: int, on_gpu: bool
) -> OnlineOcclusion:
    """Open the occluders of a combination's run, from the image sets in the folder `data`.

    Decoded cut-outs go into the folder `scratch`, which must outlive the result. `side_px` is that
    of the network's input, and `seed` the run's. Code or occluders that are not those of the
    combination are a ValueError.
    """
    if online.code != code_sha256(__name__):
        raise ValueError(
            "the code that occludes has changed since the combination was listed; "
            "run `dvc repro combine`"
        )
    stores: dict[str, Sequence[Occluder] | Sequence[Texture]] = {}
    sources = []
    scratch.mkdir(parents=True, exist_ok=True)
    for one in online.sets:
        params = build(f"generate.{one.name}", one.params, GenerateParams)
        occluders = ImageSet(data / one.occluders)
        if occluders.sha256 != one.sha256:
            raise ValueError(
                f"{occluders.folder}: not the occluders that were listed; run `dvc repro combine`"
            )
        if one.occluders not in stores:
            path = scratch / f"{params.occluders}.bin"
            stores[one.occluders] = open_store(occluders, params.method, path)
        number = list(stores).index(one.occluders)
        sources.append(Source(one.name, params, stores[one.occluders], number))
    opened = OnlineOcclusion(sources, online.share, seed)
    if on_gpu:
        opened.atlas = Atlas(list(stores.values()))
        opened.sizes = sizes_of([source.params for source in sources], (side_px, side_px))
    return opened
