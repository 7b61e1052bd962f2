"""The image sets and runs behind a report: sizes, sources, versions, hashes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from face_occlusion.core.imageset import ImageSet
from face_occlusion.core.params import read_yaml
from face_occlusion.reporting.cells import BENCHMARK_IMAGES
from face_occlusion.reporting.grid import Grid


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """Every image set under the data folder that the report speaks of, by its path there."""

    sets: dict[str, ImageSet]  # e.g. "faces/wo", "sets/natocc_hand", "benchmarks/realocc"

    def sizes(self, combination: Mapping[str, Any]) -> tuple[int, int]:
        """Return the images of a combination: photographs, generated."""
        parts = combination["data"]
        photographs = sum(len(self.sets[part]) for part in parts if part.startswith("faces/"))
        return photographs, sum(len(self.sets[part]) for part in parts) - photographs

    def quantity(self, combination: Mapping[str, Any]) -> str:
        """Write a combination's images as the paper does: "24,602 + 49,204"."""
        photographs, generated = self.sizes(combination)
        return f"{photographs:,} + {generated:,}" if generated else f"{photographs:,}"


DRAWN = "miniature"  # origin of a release that this project draws, as `release.json` has it

OF_CARDS = {  # what the runs' cards say, by its title
    "Initial weights": "initial_weights",
    "Samples seen by a run": "samples_seen",
    "Trained on": "device",
    "Precision": "precision",
    "Parameters of a network": "num_parameters",
}


def substitutions(
    inventory: Inventory,
    occluders: Mapping[str, ImageSet],
    cards: Mapping[str, Mapping[str, Any]],
    grid: Grid,
    models: Mapping[str, Mapping[str, Any]],
) -> list[dict[str, str]]:
    """List the paper's ingredients and what was used here: `what`, `paper`, `here` for each.

    The occluder sets are by kind (hands, objects, textures), the cards by run.
    """
    faces = inventory.sets["faces/wo"]
    side = f", {faces.info['size_px']} px" if faces.info.get("size_px") else ""
    here = {"Faces": f"{_sources(faces)}{side}"}
    here |= {kind.capitalize(): _occluders(image_set) for kind, image_set in occluders.items()}
    here |= {
        f"Set {image_set.info['name']}": _generation(image_set)
        for path, image_set in inventory.sets.items()
        if path.startswith("sets/")
    }
    here["Backbones"] = _distinct(map(_backbone, models.values()))
    here["Optimiser"] = _distinct(
        f"{optimizer['type']} {optimizer['lr']:g}, decay {optimizer['weight_decay']:g}"
        for optimizer in (model["optimizer"] for model in models.values())
    )
    here |= _training(list(cards.values()))
    here["Benchmark images as seen"] = _inference(grid)
    paper = read_yaml(Path(__file__).with_name("paper_ingredients.yaml"))
    other = "no such set"
    rows = [{"what": k, "paper": paper.get(k, other), "here": text} for k, text in here.items()]
    for name, title in grid.axes.benchmarks.items():
        image_set = inventory.sets[f"benchmarks/{name}"]
        text = _why_absent(image_set) or f"{len(image_set):,} images of {_sources(image_set)}"
        printed = f"{BENCHMARK_IMAGES[name]:,} images" if name in BENCHMARK_IMAGES else other
        rows.append({"what": title, "paper": printed, "here": text})
    return rows


def _why_absent(image_set: ImageSet) -> str | None:
    return None if image_set.absent is None else f"absent: {image_set.absent}"


def are_drawn(image_sets: Iterable[ImageSet]) -> bool:
    """Say whether images that this project draws stand in for a release's photographs."""
    return any(release.get("origin") == DRAWN for _, release in _releases(image_sets))


def _releases(image_sets: Iterable[ImageSet]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for image_set in image_sets:
        yield from image_set.info.get("releases", {}).items()


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


def _occluders(image_set: ImageSet) -> str:
    resolved = image_set.info.get("superresolution")
    suffix = "" if resolved is None else f"; super-resolution: {resolved}"
    return _why_absent(image_set) or f"{len(image_set):,} of {_sources(image_set)}{suffix}"


def _generation(image_set: ImageSet) -> str:
    params = image_set.info.get("params", {})
    settings = [
        params.get("method", "unknown"),
        f"colour transfer: {_setting(params.get('colour_transfer'))}",
        f"harmonisation: {_setting(params.get('harmonisation'))}",
    ]
    if "variants" in params:
        settings.append(f"{params['variants']} variants of each face")
    return _why_absent(image_set) or "; ".join([*settings, *_draws(image_set.info)])


def _draws(info: Mapping[str, Any]) -> list[str]:
    """Say how often sampling was repeated to keep the covered share within its bounds."""
    if "redrawn" not in info:
        return []
    covered = info["covered_frac"]
    draws = f"{info['redrawn']} drawn again, at most {info['most_attempts']} times"
    if info.get("arms_drawn"):
        draws += f"; {info['arms_drawn']} with an arm drawn on"
    if "second_occluders" in info:
        draws += f"; {info['second_occluders']:,} samples with a second occluder"
    return [f"{100 * covered['min']:.0f}-{100 * covered['max']:.0f} % of the face covered", draws]


def _setting(value: object) -> str:
    if not isinstance(value, Mapping):
        return "none"
    mode = value.get("method", value.get("mode", "on"))
    details = {"strength": "strength {}", "size_px": "at {} px", "downscale": "downscale {}"}
    extra = [text.format(value[key]) for key, text in details.items() if value.get(key)]
    return f"{mode} ({', '.join(extra)})" if extra else str(mode)


def _backbone(model: Mapping[str, Any]) -> str:
    if "variant" in model:
        return f"MiT-{model['variant'].upper()}"
    if (backbone := model["backbone"]) != "resnet":
        return f"EfficientNet-{backbone.rpartition('_')[2].capitalize()}"
    return f"ResNet-{model['depth']} of {model['base_channels']} channels"


def _inference(grid: Grid) -> str:
    """Say how the networks saw the benchmarks' images; all runs of a grid agree."""
    inference = next((runs[0].inference for runs in grid.runs.values()), {})
    how = [inference.get("image", f"input {inference.get('input_px', 'unknown')} px")]
    if "scored_at" in inference:
        how.append(f"scored at {inference['scored_at']}")
    views = inference.get("tta")
    return "; ".join([*how, f"one view; also {views}" if views else "one view only"])


def _training(cards: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    batches = _distinct(
        f"{card['iterations']:,} of {card['samples_seen'] / card['iterations']:g} images"
        for card in cards
    )
    told = {
        what: _distinct(
            f"{value:,}" if isinstance(value := card.get(key), int) else str(value)
            for card in cards
        )
        for what, key in OF_CARDS.items()
    }
    seeds = list(dict.fromkeys(str(card["seed"]) for card in cards))
    number = "one" if len(seeds) == 1 else str(len(seeds))
    return {"Iterations": batches, **told, "Seeds": f"{number}: {', '.join(seeds)}"}


def _distinct(texts: Iterable[str]) -> str:
    return " / ".join(dict.fromkeys(texts))


def release_files(image_sets: Iterable[ImageSet]) -> list[tuple[str, str, int, str]]:
    """Return source, file, bytes and sha256 of every release file used, each once."""
    found = (
        (source, file["name"], file["size"], file["sha256"])
        for source, release in _releases(image_sets)
        for file in release["files"]
    )
    return list(dict.fromkeys(found))
