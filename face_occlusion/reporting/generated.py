"""Figures of the generated sets: what each step of the generation does to the same samples.

Every function returns a figure, or the reason why there is none to draw. Images are chosen by a
rule that the figure's caption states.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np

from face_occlusion.core.arithmetic import evenly_spaced
from face_occlusion.core.imageset import ImageSet
from face_occlusion.generation.augmentation import apply_face
from face_occlusion.generation.geometry import Occluder
from face_occlusion.generation.occlusion import regenerate
from face_occlusion.generation.shapes import Texture
from face_occlusion.generation.store import read_occluder
from face_occlusion.reporting.figures import COLUMNS, TILE_PX, Drawn, Tile, picture_grid
from face_occlusion.reporting.per_image import most_changed
from face_occlusion.reporting.pictures import detail, into_square, on_checks, thumbnail


class Regenerator:
    """Repeats samples of one generated set; ValueError if it was made from other ingredients."""

    def __init__(self, image_set: ImageSet, faces: ImageSet, occluders: ImageSet) -> None:
        for role, source in (("faces", faces), ("occluders", occluders)):
            if image_set.info[role] != source.info["name"]:
                raise ValueError(
                    f"{image_set.folder}: made from {role} {image_set.info[role]!r}; "
                    f"got {source.info['name']!r}"
                )
        self.image_set, self.faces, self.occluders = image_set, faces, occluders
        self._occluder = lru_cache(maxsize=32)(self._read_occluder)

    def image(self, key: str, **changes: Any) -> np.ndarray:
        """Make a sample's image again, before it was compressed; (H, W, 3) uint8 RGB.

        `changes` are fields of its record that are to be others, such as `harmonisation=None`.
        """
        record = self.image_set.record(key) | changes
        face = self._face(record)
        if lower := record.get("under"):
            face = regenerate(*face, self._occluder(lower["occluder"]), lower)
        return regenerate(*face, self._occluder(record["occluder"]), record)[0]

    def bare_face(self, key: str) -> np.ndarray:
        """Return a sample's face as augmented, without its occluder; (H, W, 3) uint8 RGB."""
        record = self.image_set.record(key)
        return apply_face(*self._face(record), record["face_changes"])[0]

    def _face(self, record: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        return self.faces.image(record["face"]), self.faces.seg_map(record["face"])

    def _read_occluder(self, key: str) -> Occluder | Texture:
        if self.occluders.info["kind"] == "textures":
            return Texture(key, self.occluders.image(key))
        return read_occluder(self.occluders, key)


def mean_change(first: np.ndarray, second: np.ndarray) -> float:
    """Return by how many levels of 255 two uint8 images differ, over the pixels that do; or 0."""
    difference = np.abs(first.astype(np.int16) - second)
    changed = difference.any(axis=-1)
    return float(difference[changed].mean()) if changed.any() else 0.0


CANDIDATES = 48  # samples of a set among which a rule chooses
Make = Callable[[str], np.ndarray]  # an image by its key
TEASER_ROWS = {
    "natocc_hand_sot": "NatOcc\nhands",
    "natocc_object": "NatOcc\nobjects",
    "randocc_1": "RandOcc",
    "randocc_2": "RandOcc",
}


def why_absent(image_set: ImageSet) -> str | None:
    """Say why a set cannot be shown; None if it can."""
    if image_set.absent is None:
        return None
    return f"{image_set.info['name']} is empty: {image_set.absent}"


def teaser(sets: Mapping[str, ImageSet]) -> Drawn:
    """Show what the generators make (Fig 1): samples that cover more than most, evenly spaced."""
    rows, titles = [], []
    for number, (name, title) in enumerate(TEASER_ROWS.items()):
        image_set = sets.get(name)
        if image_set is None or why_absent(image_set):
            continue
        covered = {key: image_set.record(key)["covered_frac"] for key in candidate_keys(image_set)}
        middle = float(np.median(list(covered.values())))
        keys = [key for key, share in covered.items() if share >= middle]
        shown = evenly_spaced(keys[number % 2 :] or keys, COLUMNS)
        rows.append(_tiles(image_set.image, dict.fromkeys(shown, "")))
        titles.append(title)
    return picture_grid(rows, row_titles=titles) if rows else "no generated set has images"


def candidate_keys(image_set: ImageSet) -> list[str]:
    """Return the samples that a rule chooses among, evenly spaced over a set."""
    return evenly_spaced(image_set.keys, CANDIDATES)


def hand_sets(samples: Regenerator) -> Drawn:
    """Show hands of each source as cut-outs and, enlarged, where they lie on faces (Fig 4)."""
    hands = samples.occluders
    source_of = {key: str(hands.record(key).get("source", "")) for key in hands.keys}
    users: dict[str, list[str]] = {}
    for key in evenly_spaced(samples.image_set.keys, 4 * CANDIDATES):
        source = source_of[samples.image_set.record(key)["occluder"]]
        users.setdefault(source, []).append(key)
    rows, titles = [], []
    for source in sorted(set(source_of.values())):
        keys = evenly_spaced([key for key in hands.keys if source_of[key] == source], COLUMNS)
        fitted = (into_square(hands.cutout(key), TILE_PX, (0, 0, 0, 0)) for key in keys)
        rows.append([Tile(image=on_checks(cutout)) for cutout in fitted])
        rows.append(
            [_close_up(samples, key) for key in evenly_spaced(users.get(source, []), COLUMNS)]
        )
        titles += [source, "on faces,\nenlarged"]
    return picture_grid([row for row in rows if row], row_titles=titles)


def _close_up(samples: Regenerator, key: str) -> Tile:
    """Enlarge where an occluder lies, by two: half of the image's side."""
    image = samples.image(key)
    touched = np.abs(image.astype(np.int16) - samples.bare_face(key)).max(axis=-1) > 8
    return Tile(image=thumbnail(detail(image, touched, 0.5), TILE_PX))


def algorithm_1(samples: Regenerator) -> Drawn:
    """Show the colour transfer without and with Algorithm 1 (Fig 6).

    Once as the paper describes it, whole images on black, and once in the mode that made the set.
    """
    recorded = samples.image_set.info["params"]["colour_transfer"]
    if recorded is None:
        return f"{samples.image_set.info['name']} was made without colour transfer"
    used = recorded["algorithm1"] if recorded["algorithm1"] != "off" else "balanced"
    versions: dict[str, Make] = {"no transfer": partial(samples.image, colour_transfer=None)}
    for mode in ["faithful", *({recorded["mode"]} & {"masked", "partial"})]:
        for setting, title in (("off", "without"), (used, "with")):
            transfer = recorded | {"mode": mode, "algorithm1": setting}
            made = partial(samples.image, colour_transfer=transfer)
            versions[f"{mode},\n{title} Alg. 1"] = made
    return _compare(versions, candidate_keys(samples.image_set), *list(versions)[1:3])


def colour_transfer(plain: ImageSet, moved: ImageSet) -> Drawn:
    """Show the same hands without and with colour transfer (Fig 7): two sets with one seed."""
    same = ("occluder", "placement", "face_changes")
    keys = [
        key
        for key in candidate_keys(moved)
        if all(plain.record(key)[name] == moved.record(key)[name] for name in same)
    ]
    if not keys:
        return "the two sets differ in more than colour: their seeds or ranges are not the same"
    versions = {"without": plain.image, "with": moved.image}
    return _compare(versions, keys, *versions)


def harmonisation(samples: Regenerator) -> Drawn:
    """Show the same objects without and with harmonisation (Fig 8)."""
    settings = samples.image_set.info["params"]["harmonisation"]
    if settings is None or settings["method"] == "none":
        return f"{samples.image_set.info['name']} was made without harmonisation"
    method = settings["method"].partition(":")[0]
    versions: dict[str, Make] = {"without": partial(samples.image, harmonisation=None)}
    versions[f"with ({method})"] = samples.image
    return _compare(versions, candidate_keys(samples.image_set), *versions)


def _compare(versions: Mapping[str, Make], keys: Sequence[str], first: str, second: str) -> Drawn:
    """Draw one row for each version, by its title, of the samples that change most between two.

    The change is written under the last.
    """
    one, other = versions[first], versions[second]
    picks = most_changed(keys, lambda key: mean_change(one(key), other(key)), COLUMNS)
    if not picks:
        return "no sample changes"
    captions = {key: f"{key}: {change:.0f} levels" for key, change in picks}
    *above, last = versions.values()
    rows = [_tiles(make, dict.fromkeys(captions, "")) for make in above]
    return picture_grid([*rows, _tiles(last, captions)], row_titles=list(versions))


def _tiles(make: Make, captions: Mapping[str, str]) -> list[Tile]:
    """Make pictures of samples, with captions by key."""
    return [
        Tile(image=thumbnail(make(key), TILE_PX), caption=caption)
        for key, caption in captions.items()
    ]


def random_shapes(image_set: ImageSet) -> Drawn:
    """Show RandOcc (Fig 9): opaque occluders, then transparent ones with their opacity."""
    opacity = {key: float(image_set.record(key)["opacity"]) for key in candidate_keys(image_set)}
    opaque = evenly_spaced([key for key, value in opacity.items() if value >= 1], COLUMNS)
    transparent = evenly_spaced([key for key, value in opacity.items() if value < 1], COLUMNS)
    captions = {"opaque": {key: key for key in opaque}}
    captions["transparent"] = {key: f"{key}: opacity {opacity[key]:.2f}" for key in transparent}
    rows = {title: _tiles(image_set.image, told) for title, told in captions.items() if told}
    return picture_grid(list(rows.values()), row_titles=list(rows))
