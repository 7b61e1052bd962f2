import json

import numpy as np
import pytest

from face_occlusion.apps.demo import analysis
from face_occlusion.apps.demo.analysis import VIEWS, Analyser, show, write_files
from face_occlusion.core.images import decode_mask, decode_rgba, encode_png
from tests.apps.demo.conftest import FACE, IMAGE, NETWORKS, Reddish


def test_the_files_hold_what_the_networks_saw(photo, tmp_path, occluders):
    analyser = Analyser(NETWORKS, occluders)
    found = analyser.analyse(photo)
    files = {path.name: path.read_bytes() for path in write_files(found, tmp_path)}
    kinds = ("mask.png", "cutout.png")
    names = [f"anna_{name}_{kind}" for name in NETWORKS for kind in kinds]
    assert sorted(files) == sorted([*names, *(f"anna_{name}.json" for name in NETWORKS)])
    mask = decode_mask(files["anna_careful_mask.png"], "mask")
    np.testing.assert_array_equal(mask, FACE * np.uint8(255))
    cutout = decode_rgba(files["anna_careful_cutout.png"], "cutout")
    np.testing.assert_array_equal(cutout, np.dstack([IMAGE, mask]))
    assert json.loads(files["anna_careful.json"])["imagePath"] == "anna.png"

    occluded = write_files(analyser.analyse(photo, kind="hand"), tmp_path)
    assert occluded[0].name == "anna_occluded.png"
    assert json.loads(occluded[-1].read_text())["imagePath"] == "anna_occluded.png"


@pytest.mark.parametrize("kind", ["hand", "object", "shape"])
def test_an_occluder_shows_how_the_networks_cope(photo, occluders, kind):
    found = Analyser(NETWORKS, occluders).analyse(photo, kind=kind, number=3)
    changed = (found.image != IMAGE).any(axis=-1)
    assert 0.03 < changed[FACE == 1].mean() < 0.6
    careful, credulous = found.seen.values()
    assert credulous.hidden_taken == 1 and credulous.visible_lost == 0
    hidden = changed & (FACE == 1)
    taken = (found.image[..., 0] >= 150)[hidden].mean()
    assert careful.hidden_taken == pytest.approx(taken, abs=0.15)  # but for the soft edge
    assert careful.visible_lost is not None and careful.visible_lost < 0.05
    again = Analyser(NETWORKS, occluders)
    np.testing.assert_array_equal(again.analyse(photo, kind=kind, number=3).image, found.image)
    assert (again.analyse(photo, kind=kind, number=4).image != found.image).any()


class Eyes:
    """Finds as many faces as it is told."""

    def __init__(self, *faces: np.ndarray) -> None:
        self.faces = list(faces)

    def find_all(self, image: np.ndarray) -> list[np.ndarray]:
        return self.faces


def test_aligned_faces_are_seen_in_their_squares_occluded_or_not(photo, occluders):
    eyes = np.array([[62.0, 80.0], [98.0, 80.0], [68.0, 115.0], [92.0, 115.0]])
    analyser = Analyser(NETWORKS, occluders, Eyes(eyes))  # type: ignore[arg-type]  # a fake
    for kind in (None, "object"):
        found = analyser.analyse(photo, align=True, kind=kind)
        assert found.faces is not None and len(found.faces) == 1
        everything = found.seen["credulous"].probability
        assert everything[0, 0] == 0 < everything[90, 80] and 0.5 < everything.mean() < 1
    assert analyser.analyse(photo, align=False).seen["credulous"].probability.min() == 1


DOT = np.pad(np.full((1, 1, 3), 200, np.uint8), ((4, 4), (4, 4), (0, 0)))
REFUSED = {
    "notes.png": (b"no image", {}, "not a readable image"),
    "cut.png": (encode_png(IMAGE)[:500], {}, "not a readable image: truncated"),
    "me.heic": (b"\0\0\0\x18ftypheic", {}, "HEIC is not read; save it as"),
    "big.png": (encode_png(np.zeros((6000, 6000), np.uint8)), {}, "6000x6000 pixels are more than"),
    "wall.png": (encode_png(IMAGE // 4), {}, "holds no face: careful find"),
    "back.png": (encode_png(IMAGE), {"align": True}, "holds no face that dlib finds"),
    "dot.png": (encode_png(DOT), {"kind": "hand"}, "this hand does not fit"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_seen_is_refused_by_its_name(tmp_path, occluders, name):
    data, options, said = REFUSED[name]
    (tmp_path / name).write_bytes(data)
    analyser = Analyser({"careful": Reddish(150)}, occluders, Eyes())  # type: ignore[arg-type]  # a fake
    with pytest.raises(ValueError, match=f"^{name}: {said}"):
        analyser.analyse(tmp_path / name, **options)


def test_every_view_shows_the_prediction(monkeypatch):
    monkeypatch.setattr(analysis, "SHOWN_PX", 88)  # half the photograph's height
    probability = FACE.astype(np.float32)
    views = {view: show(IMAGE, probability, view) for view in VIEWS}
    rgb, rgba = (88, 80, 3), (88, 80, 4)
    shapes = {"overlay": rgb, "mask": rgb, "cut-out": rgba, "confidence": rgb}
    assert {view: picture.shape for view, picture in views.items()} == shapes
    inside, outside = (50, 40), (2, 2)
    assert views["mask"][inside].tolist() == [255] * 3 and not views["mask"][outside].any()
    assert (views["cut-out"][inside][3], views["cut-out"][outside][3]) == (255, 0)
    violet, yellow = ((0.65 * np.array(c)).round() for c in ((68, 1, 84), (253, 231, 37)))
    for place, heat in ((outside, violet), (inside, yellow)):
        under = views["confidence"][place] - heat
        assert np.abs(under - 0.35 * views["cut-out"][place][:3]).max() <= 2
