"""The image sets and runs behind a report: sizes, sources, versions, hashes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from face_occlusion.core.files import read_json
from face_occlusion.core.imageset import ImageSet
from face_occlusion.evaluation.scores import fingerprint
from face_occlusion.reporting.cells import BENCHMARK_IMAGES
from face_occlusion.reporting.grid import Grid


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """Every image set under the data folder that the report speaks of, by its path there."""

    sets: dict[str, ImageSet]  # e.g. "faces/wo", "sets/natocc_hand", "benchmarks/realocc"

    def size(self, name: str) -> int:
        """Return the number of images of a set."""
        return len(self.sets[name])

    def sizes(self, combination: Mapping[str, Any]) -> tuple[int, int]:
        """Return the images of a combination: photographs, generated."""
        parts = combination["data"]
        photographs = sum(self.size(part) for part in parts if part.startswith("faces/"))
        return photographs, sum(self.size(part) for part in parts) - photographs

    def quantity(self, combination: Mapping[str, Any]) -> str:
        """Write a combination's images as the paper does: "24,602 + 49,204"."""
        photographs, generated = self.sizes(combination)
        return f"{photographs:,} + {generated:,}" if generated else f"{photographs:,}"


def take_inventory(
    data: Path, combinations: Mapping[str, Any], benchmarks: Sequence[str]
) -> Inventory:
    """Open the sets that the grid uses.

    Args:
        data: Folder with `faces/`, `sets/` and `benchmarks/`.
        combinations: Section `combinations` of params.yaml.
        benchmarks: Names of the benchmarks.

    Raises:
        ValueError: If a set is missing or damaged.
    """
    names = {"faces/wo": None, "faces/wo_test": None, "faces/o": None}
    parts = {part for combination in combinations.values() for part in combination["data"]}
    names |= dict.fromkeys(sorted(parts))
    names |= {f"benchmarks/{name}": None for name in benchmarks}
    return Inventory(sets={name: ImageSet(data / name) for name in names})


DRAWN = "miniature"  # origin of a release that this project draws, as `release.json` has it


class Substitution(NamedTuple):
    """One ingredient: the paper's and ours."""

    what: str
    paper: str
    here: str


def read_cards(models: Path, runs: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Read what each run says about its training, `models/RUN/card.json`.

    Raises:
        ValueError: If a card is missing or is not JSON.
    """
    missing = "no such file; run `dvc repro train`"
    return {run: read_json(models / run / "card.json", missing) for run in runs}


def substitutions(
    inventory: Inventory,
    occluders: Mapping[str, ImageSet],
    cards: Mapping[str, Mapping[str, Any]],
    grid: Grid,
    models: Mapping[str, Mapping[str, Any]],
) -> list[Substitution]:
    """List the paper's ingredients and what was used here.

    Args:
        inventory: The image sets of the grid.
        occluders: The occluder sets by kind: hands, objects, textures.
        cards: What each run says about its training.
        grid: All results: the benchmarks' titles, and how their images were seen.
        models: Section `models` of params.yaml.
    """
    return [
        _faces(inventory),
        *(_occluders(kind, image_set) for kind, image_set in occluders.items()),
        *_generation(inventory),
        *_networks(models),
        *_training(cards),
        _inference(grid),
        *(_benchmark(inventory, name, title) for name, title in grid.axes.benchmarks.items()),
    ]


def are_drawn(image_sets: Iterable[ImageSet]) -> bool:
    """Say whether images that this project draws stand in for a release's photographs."""
    return any(
        release.get("origin") == DRAWN
        for image_set in image_sets
        for release in image_set.info.get("releases", {}).values()
    )


def _sources(image_set: ImageSet) -> str:
    """Name the releases that a set was made from, and those that were drawn as such."""
    releases = image_set.info.get("releases", {})
    titles = []
    for source in image_set.info["sources"]:
        release = releases.get(source, {})
        title = release.get("title", source)
        is_drawn = release.get("origin") == DRAWN
        titles.append(f"{title} (drawn by this project in its layout)" if is_drawn else title)
    return ", ".join(titles)


def _faces(inventory: Inventory) -> Substitution:
    info = inventory.sets["faces/wo"].info
    side = f", {info['size_px']} px" if info.get("size_px") else ""
    paper = "CelebAMask-HQ, 1024 px; masks corrected by hand"
    return Substitution("Faces", paper, f"{_sources(inventory.sets['faces/wo'])}{side}")


_PAPER_OCCLUDERS = {
    "hands": "200 hands of 11k Hands, masks drawn by hand",
    "objects": "128 COCO objects, super-resolved x4 with GLEAN",
    "textures": "5,640 textures of DTD",
}


def _occluders(kind: str, image_set: ImageSet) -> Substitution:
    if image_set.absent is not None:
        here = f"absent: {image_set.absent}"
    else:
        here = f"{len(image_set):,} of {_sources(image_set)}"
        if (resolved := image_set.info.get("superresolution")) is not None:
            here += f"; super-resolution: {resolved}"
    return Substitution(kind.capitalize(), _PAPER_OCCLUDERS[kind], here)


def _generation(inventory: Inventory) -> Iterator[Substitution]:
    for path, image_set in inventory.sets.items():
        if not path.startswith("sets/"):
            continue
        name, params = image_set.info["name"], image_set.info.get("params", {})
        settings = [
            f"colour transfer: {_setting(params.get('colour_transfer'))}",
            f"harmonisation: {_setting(params.get('harmonisation'))}",
        ]
        here = "; ".join([params.get("method", "unknown"), *settings, *_draws(image_set.info)])
        if image_set.absent is not None:
            here = f"absent: {image_set.absent}"
        yield Substitution(f"Set {name}", _PAPER_SETS.get(name, "no such set"), here)


def _draws(info: Mapping[str, Any]) -> list[str]:
    """Say how often sampling was repeated to keep the covered share within its bounds."""
    if "redrawn" not in info:
        return []
    covered = info["covered_frac"]
    draws = f"{info['redrawn']} drawn again, at most {info['most_attempts']} times"
    if info.get("arms_drawn"):
        draws += f"; {info['arms_drawn']} with an arm drawn on"
    return [f"{100 * covered['min']:.0f}-{100 * covered['max']:.0f} % of the face covered", draws]


_PAPER_SETS = {
    "natocc_hand": "NatOcc, hands without colour transfer",
    "natocc_hand_sot": "NatOcc, hands with sliced optimal transport",
    "natocc_object": "NatOcc, objects harmonised with RainNet",
    "randocc_1": "RandOcc, first set",
    "randocc_2": "RandOcc, second set",
}


def _setting(value: object) -> str:
    if not isinstance(value, Mapping):
        return "none"
    mode = value.get("method", value.get("mode", "on"))
    details = {"strength": "strength {}", "size_px": "at {} px", "downscale": "downscale {}"}
    extra = [text.format(value[key]) for key, text in details.items() if value.get(key)]
    return f"{mode} ({', '.join(extra)})" if extra else str(mode)


def _networks(models: Mapping[str, Mapping[str, Any]]) -> Iterator[Substitution]:
    backbones, optimizers = {}, {}
    for model in models.values():
        if "variant" in model:
            backbones[f"MiT-{model['variant'].upper()}"] = None
        elif (backbone := model["backbone"]) != "resnet":
            backbones[f"EfficientNet-{backbone.rpartition('_')[2].capitalize()}"] = None
        else:
            backbones[f"ResNet-{model['depth']} of {model['base_channels']} channels"] = None
        optimizer = model["optimizer"]
        text = f"{optimizer['type']} {optimizer['lr']:g}, decay {optimizer['weight_decay']:g}"
        optimizers[text] = None
    paper = "ResNet-101 of 64 channels (CNNs); MiT-B5 (SegFormer)"
    yield Substitution("Backbones", paper, " / ".join(backbones))
    paper = "SGD 0.01, decay 0.0005 (CNNs); AdamW 6e-05, decay 0.01 (SegFormer)"
    yield Substitution("Optimiser", paper, " / ".join(optimizers))


def _inference(grid: Grid) -> Substitution:
    """Say how the networks saw the benchmarks' images; all runs of a grid agree."""
    inference = next((runs[0].inference for runs in grid.runs.values()), {})
    how = [inference.get("image", f"input {inference.get('input_px', 'unknown')} px")]
    if "scored_at" in inference:
        how.append(f"scored at {inference['scored_at']}")
    views = inference.get("tta")
    how.append(f"one view; also {views}" if views else "one view only")
    paper = "512 px; the published configuration has 12 views"
    return Substitution("Benchmark images as seen", paper, "; ".join(how))


def _training(cards: Mapping[str, Mapping[str, Any]]) -> Iterator[Substitution]:
    batches = {
        f"{card['iterations']:,} of {card['samples_seen'] / card['iterations']:g} images": None
        for card in cards.values()
    }
    yield Substitution("Iterations", "30,000 of 8 images", " / ".join(batches))
    for what, paper, key in (
        ("Initial weights", "ImageNet, ResNet-101 and MiT-B5", "initial_weights"),
        ("Samples seen by a run", "240,000", "samples_seen"),
        ("Trained on", "4 Tesla V100", "device"),
        ("Precision", "not said", "precision"),
        ("Parameters of a network", "not said", "num_parameters"),
    ):
        yield Substitution(what, paper, _distinct(cards, key))
    seeds = list(dict.fromkeys(card["seed"] for card in cards.values()))
    number = "one" if len(seeds) == 1 else str(len(seeds))
    yield Substitution("Seeds", "one", f"{number}: {', '.join(map(str, seeds))}")


def _distinct(cards: Mapping[str, Mapping[str, Any]], key: str) -> str:
    """Write the values that a key has over all cards, in the order of the runs."""
    values = dict.fromkeys(
        f"{value:,}" if isinstance(value := card.get(key), int) else str(value)
        for card in cards.values()
    )
    return " / ".join(values)


def _benchmark(inventory: Inventory, name: str, title: str) -> Substitution:
    image_set = inventory.sets[f"benchmarks/{name}"]
    here = f"absent: {image_set.absent}"
    if image_set.absent is None:
        here = f"{len(image_set):,} images of {_sources(image_set)}"
    return Substitution(title, f"{BENCHMARK_IMAGES[name]:,} images", here)


def hashes(image_sets: Mapping[str, ImageSet]) -> list[tuple[str, int, str]]:
    """Return name, number of images and sha256 of the index of image sets."""
    return [
        (name, len(image_set), fingerprint(image_set.folder))
        for name, image_set in image_sets.items()
    ]


def release_files(image_sets: Iterable[ImageSet]) -> list[tuple[str, str, int, str]]:
    """Return source, file, bytes and sha256 of every file of a release that went into image sets.

    A file used by several sets is listed once.
    """
    found = {
        (source, file["name"], file["size"], file["sha256"]): None
        for image_set in image_sets
        for source, release in image_set.info.get("releases", {}).items()
        for file in release["files"]
    }
    return list(found)
