"""Drawn occluders and the five sets that generation makes of them, for the made-up project."""

from pathlib import Path

from face_occlusion.core.images import encode_jpeg, encode_rgba
from face_occlusion.core.imageset import ImageSet, encode_record, write_image_set
from face_occlusion.core.params import build, read_yaml
from face_occlusion.generation import GenerateParams
from face_occlusion.generation.generate import generate_set
from tests.conftest import ROOT
from tests.generation.drawn import draw_disc, draw_hand, draw_texture

SETS = ("natocc_hand", "natocc_hand_sot", "natocc_object", "randocc_1", "randocc_2")
HAND_COLOURS = ((235, 200, 175), (120, 80, 60))


def write_occluders(folder: Path) -> None:
    """Write two hands of each of two sources, two discs and three textures."""

    def write(kind: str, name: str, samples: dict[str, dict[str, bytes]]) -> None:
        info = {"kind": kind, "name": name, "sources": ["made-up"], "superresolution": "lanczos"}
        write_image_set(folder / name, samples.items(), info=info)

    hands, objects, textures = {}, {}, {}
    for number in range(4):
        hand = draw_hand(HAND_COLOURS[number % 2], height=60 + number, width=40)
        record = {"pointing_deg": 90.0, "enters": "top", "source": f"hands_{number // 2}"}
        hands[f"hand{number}"] = {"rgba.png": encode_rgba(hand), "json": encode_record(record)}
    for number in range(2):
        record = encode_record({"pointing_deg": None, "enters": "none", "source": "made-up"})
        disc = draw_disc(14 + 4 * number, (200, 60 + 90 * number, 30))
        objects[f"disc{number}"] = {"rgba.png": encode_rgba(disc), "json": record}
    for number in range(3):
        stripes = encode_jpeg(draw_texture(number), 95)
        textures[f"texture{number}"] = {"jpg": stripes, "json": encode_record({})}
    write("cutouts", "hands", hands)
    write("cutouts", "objects", objects)
    write("textures", "textures", textures)


def write_generated(data: Path) -> None:
    """Generate the five sets by the paper's parameters from `faces/wo` and the occluders."""
    raw = read_yaml(ROOT / "profiles" / "paper.yaml")["generate"]
    faces = ImageSet(data / "faces" / "wo")
    for name in SETS:
        params = build(f"generate.{name}", raw[name], GenerateParams)
        occluders = ImageSet(data / "occluders" / params.occluders)
        generate_set(faces, occluders, data / "sets" / name, params, workers=1)
