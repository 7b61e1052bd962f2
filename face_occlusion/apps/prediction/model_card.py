"""The card of an exported network: what a stranger needs before using the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from face_occlusion.apps.prediction.export import INPUT, OUTPUT, Exported
from face_occlusion.core.imageset import ImageSet
from face_occlusion.core.imageset.cards import inherit
from face_occlusion.core.json_files import read_json

DATA = Path("data")  # where the pipeline puts the sets that a run was trained on

_EXAMPLE = """```python
import numpy as np
import onnxruntime
from PIL import Image

session = onnxruntime.InferenceSession("{file}")
face = Image.open("face.jpg").convert("RGB").resize(({width}, {height}))
pixels = np.stack([np.asarray(face)] * {num})  # ({num}, {height}, {width}, 3) uint8
(probability,) = session.run(None, {{"{input}": pixels}})
is_face = probability[0] >= 0.5  # ({height}, {width}) bool
```"""


def model_card(
    folder: Path, exported: Exported, which: str, input_px: int, scores: Mapping[str, float]
) -> str:
    """Write what a stranger needs before using the file, as Markdown.

    Args:
        folder: The run's, with `card.json`.
        exported: What was written.
        which: The checkpoint, `last` or `best`.
        input_px: Side of the images that the run was trained on.
        scores: The run's mean IoU by benchmark; empty if it has not been evaluated.

    Raises:
        ValueError: If the run's card is missing or damaged, or a set that is here.
    """
    card = read_json(
        folder / "card.json", "no such file; a run's folder is written by the train stage"
    )
    sources = _sources(card)
    lines = [
        "---",
        "pipeline_tag: image-segmentation",
        "library_name: onnx",
        "tags: [face-segmentation, occlusion]",
        "---",
        f"# {card.get('run', folder.name)}: face, without what covers it",
        "",
        f"`{exported.path.name}` ({exported.num_bytes / 1e6:.1f} MB) tells face from everything "
        "else, per pixel. Hands, objects, hair, glasses and printed words are not face.",
        "",
        *_use(exported, input_px),
        *_training(card, which, sources),
        *_scores(scores, which),
        *_licences(sources),
        "## Limits",
        "",
        "- It sees one aligned face filling the image, as in training; `face-occlusion predict "
        "--align` cuts that out of photographs.",
        "- It measures pixels and identifies nobody. Errors differ between skin tones and "
        "occluders: see the report's breakdowns before relying on it.",
        "",
    ]
    return "\n".join(lines)


def _use(exported: Exported, input_px: int) -> Iterator[str]:
    num, height, width, _ = exported.shape
    example = _EXAMPLE.format(
        file=exported.path.name, num=num, height=height, width=width, input=INPUT
    )
    yield from (
        "## Use",
        "",
        "| | name | shape | values |",
        "|---|---|---|---|",
        f"| input | `{INPUT}` | ({num}, {height}, {width}, 3) uint8 | RGB as decoded, 0-255; an "
        "aligned face, resized |",
        f"| output | `{OUTPUT}` | ({num}, {height}, {width}) float32 | probability of face; "
        "0.5 and more is face |",
        "",
        "Normalisation, softmax and resizing back are inside. The shape is fixed: `face-occlusion "
        f"export --size HEIGHT WIDTH --batch N` writes others. It was trained on {input_px}x"
        f"{input_px} pixels and does best near that size.",
        "",
        example,
        "",
        f"Checked against PyTorch under onnxruntime: largest difference {exported.difference:.1e}.",
        "",
    )


def _training(
    card: Mapping[str, Any], which: str, sources: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    """Say what the network is, and what it has learnt from."""
    combination = card.get("combination", {})
    counts = card.get("counts", {})
    images = ", ".join(f"{num} of {name}" for name, num in counts.items() if name != "total")
    about = {
        "network": f"{card.get('model')}, {card.get('num_parameters', 0):,} parameters",
        "checkpoint": {"last": "the last", "best": "the one selected on RealOcc"}[which],
        "images": f"{combination.get('title')}, masks {combination.get('masks')}: {images}",
        "initial weights": card.get("initial_weights"),
        "iterations": f"{card.get('iterations')}, {card.get('samples_seen')} images seen",
        "seed": card.get("seed"),
    }
    yield from ("## Trained on", "")
    if sources and all(source.get("origin") == "miniature" for source in sources.values()):
        yield from ("**Drawn pictures, no photographs: a miniature to try the pipeline with.**", "")
    yield from (f"- {name}: {value}" for name, value in about.items())
    yield ""


def _scores(scores: Mapping[str, float], which: str) -> Iterator[str]:
    yield from ("## Scores", "")
    if not scores:
        yield from ("Not evaluated.", "")
        return
    yield from ("| benchmark | mean IoU, % |", "|---|---|")
    yield from (f"| {name} | {100 * score:.1f} |" for name, score in sorted(scores.items()))
    yield ""
    if which == "best":
        yield from ("Selected on RealOcc, whose score is the better for it.", "")


def _licences(sources: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield from ("## Licences", "", "The code is under Apache-2.0. The weights were made from:", "")
    for source in sources.values():
        yield f"- {source['title']}: {source['licence']} {source.get('licence_url') or ''}".rstrip()
    if not sources:
        yield "- sets that are not here; docs/data.md names the releases' licences"
    yield from ("", "Several of the public releases are for research only: docs/data.md.", "")


def _sources(card: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the releases that went into the sets a run was trained on, of those that are here."""
    names = card.get("combination", {}).get("data", [])
    folders = {name: DATA / name for name in names if (DATA / name / "index.json").is_file()}
    if not folders:
        return {}
    return inherit(**{name: ImageSet(path) for name, path in folders.items()})["releases"]
