import itertools

import cv2
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from face_occlusion.core.images import encode_jpeg
from face_occlusion.reporting import figures, generated, per_image
from face_occlusion.reporting.figures import COLOURS, DASHES
from face_occlusion.reporting.generated import Regenerator, mean_change
from face_occlusion.reporting.pictures import EXTRA_RGB, MISSED_RGB
from tests.generation.drawn import write_drawn
from tests.tables import rows

VISIONS = rows(__file__, "visions")


def lab(rgb, matrix):
    """CIELAB of an sRGB colour in [0, 1] as seen with a colour vision deficiency."""
    values = np.asarray(rgb, float)
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(matrix) @ linear, 0, 1)
    encoded = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    pixel = np.float32(encoded).reshape(1, 1, 3)
    return cv2.cvtColor(pixel, cv2.COLOR_RGB2LAB)[0, 0]


@pytest.mark.parametrize("vision", VISIONS.values(), ids=VISIONS)
def test_wrong_pixels_and_lines_part_for_every_eye_and_in_grey(vision):
    def distance(first, second):
        return np.linalg.norm(lab(first, vision) - lab(second, vision))

    assert distance(np.array(EXTRA_RGB) / 255, np.array(MISSED_RGB) / 255) > 25
    lines = list(zip(map(to_rgb, COLOURS), DASHES, strict=True))
    for (first, dash), (second, other) in itertools.combinations(lines, 2):
        assert dash != other or distance(first, second) > 12, (first, second)


@pytest.fixture
def regenerator(inputs):
    def make(name):
        image_set = inputs.inventory.sets[f"sets/{name}"]
        faces = inputs.inventory.sets["faces/wo"]
        return Regenerator(image_set, faces, inputs.occluders[image_set.info["occluders"]])

    return make


@pytest.mark.parametrize("name", ["natocc_hand_sot", "natocc_object", "randocc_1"])
def test_samples_made_again_are_the_recorded_ones(regenerator, name):
    samples = regenerator(name)
    assert ("second_occluders" in samples.image_set.info) == (name == "randocc_1")
    for key in samples.image_set.keys:
        quality = samples.image_set.record(key)["jpeg_quality"]
        assert encode_jpeg(samples.image(key), quality) == samples.image_set.read(key, "jpg")


def test_a_change_of_the_record_changes_the_occluder_only(regenerator):
    samples = regenerator("natocc_hand_sot")
    key = samples.image_set.keys[0]
    recorded, plain = samples.image(key), samples.image(key, colour_transfer=None)
    changed = (recorded != plain).any(axis=-1)
    bare = samples.bare_face(key)
    assert samples.image_set.record(key)["face_changes"]["matrix"] is not None
    assert (recorded == bare).all(axis=-1).mean() > 0.5  # augmented alike
    assert changed.any()
    assert not changed[(recorded == bare).all(axis=-1) & (plain == bare).all(axis=-1)].any()
    assert mean_change(recorded, plain) > 1
    assert mean_change(recorded, recorded) == 0


def test_samples_are_not_made_from_other_faces(inputs):
    image_set = inputs.inventory.sets["sets/natocc_hand"]
    occluders = inputs.occluders["hands"]
    with pytest.raises(ValueError, match="made from faces 'wo'; got 'o'"):
        Regenerator(image_set, inputs.inventory.sets["faces/o"], occluders)


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize(("draw", "name", "titles"), rows(__file__, "titles"))
def test_a_figure_names_what_it_shows(regenerator, draw, name, titles):
    samples = regenerator(name)
    shown = texts(getattr(generated, draw)(samples))
    for title in titles:
        method = samples.image_set.info["params"]["harmonisation"] or {}
        assert title.replace("METHOD", method.get("method", "")) in shown


def test_the_probe_shows_transparent_kinds_only(inputs, monkeypatch):
    benchmark = inputs.benchmarks["realocc"]
    reason = per_image.transparent_probe(inputs.grid, benchmark, "realocc", 1, (255, 176, 0))
    assert "no image's name says" in reason
    monkeypatch.setattr(per_image, "TRANSPARENT_KINDS", ("sunglasses",))
    figure = per_image.transparent_probe(inputs.grid, benchmark, "realocc", 1, (255, 176, 0))
    assert "C-WO +\nC-WO-Mix" in texts(figure)
    rules = [text.split()[0] for text in texts(figure) if text[0] in "bmw"]
    assert rules == ["best", "median", "worst"]


def test_alignment_pairs_a_benchmark_with_its_release(tmp_path):
    record = {"square": [[2, 3], [20, 0], [0, 20]], "points": [[8, 8], [16, 8]]}
    record["release_size"] = [60, 80]
    samples = [("0001", {"jpg": np.full((30, 40, 3), 120, np.uint8)}, record)]
    released = write_drawn(tmp_path / "none", "benchmark", "plain", samples, align="none")
    aligned = write_drawn(tmp_path / "ffhq", "benchmark", "turned", samples, align="ffhq")
    colour = (255, 176, 0)
    assert "no benchmark" in figures.alignment({"turned": aligned}, colour)
    drawn = figures.alignment({"turned": aligned, "plain": released}, colour)
    assert {"As released", "Aligned", "0001"} <= set(texts(drawn))


def test_what_a_figure_cannot_show_is_said(regenerator, inputs, tmp_path):
    sets, samples = inputs.inventory.sets, regenerator("natocc_hand")
    assert generated.algorithm_1(samples) == "natocc_hand was made without colour transfer"
    assert "without harmonisation" in generated.harmonisation(samples)
    hands = generated.colour_transfer(sets["sets/natocc_hand"], sets["sets/natocc_hand_sot"])
    assert "without" in texts(hands)
    reason = generated.colour_transfer(sets["sets/randocc_1"], sets["sets/randocc_2"])
    assert "differ in more than colour" in reason
    empty = write_drawn(tmp_path / "r", "synthetic", "randocc_1", [], absent="no textures")
    assert generated.why_absent(empty) == "randocc_1 is empty: no textures"
    assert generated.teaser({"randocc_1": empty}) == "no generated set has images"
