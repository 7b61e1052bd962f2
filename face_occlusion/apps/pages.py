"""What commands write for people to read: pages on which masks are corrected, and model cards."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
import numpy as np
import pycocotools.mask

from face_occlusion.core.classes import FACE, IGNORED
from face_occlusion.core.files import atomic_write
from face_occlusion.reporting.page import environment

TEMPLATES = environment(jinja2.PackageLoader("face_occlusion.apps"))


@dataclass(frozen=True, kw_only=True)
class PageFace:
    """A face on a page that corrects masks; paths are relative to the page."""

    name: str
    file: str  # name of its image in the file that the page saves
    image: str
    thumb: str
    link: str  # another file of it
    link_text: str
    size: tuple[int, int]  # (height, width) of its mask
    title: str
    text: str
    order: Mapping[str, float | None]  # numbers to sort the faces by; None stands last


def write_runs(
    out: Path, name: str, seg_map: np.ndarray, predicted: np.ndarray | None = None
) -> None:
    """Write a face's (H, W) class ids, and what a network predicts, as `runs/NAME.js` for its page.

    A script, because a page that was opened from a file may not read other files.
    """
    content = {
        "face": _runs(seg_map == FACE),
        "ignored": _runs(seg_map == IGNORED),
        "predicted": None if predicted is None else _runs(predicted),
    }
    atomic_write(out / f"runs/{name}.js", f"addMask({json.dumps(name)}, {json.dumps(content)});\n")


def _runs(mask: np.ndarray) -> str:
    counts = pycocotools.mask.encode(np.asfortranarray(mask, np.uint8))["counts"]
    return str(counts, "ascii")  # pyright: ignore[reportCallIssue, reportArgumentType]


def correction_page(
    template: str,
    out: Path,
    name: str,
    faces: Sequence[PageFace],
    orders: Mapping[str, tuple[str, bool]],
    **context: Any,
) -> str:
    """Write the HTML of a page that corrects masks, those of `write_runs` in the folder `out`.

    `orders` are the title of each order and whether the highest number comes first. What a person
    does is kept in the browser under the page's id, a hash of the faces and their masks.
    """
    digest = hashlib.sha256(name.encode())
    shown = []
    for face in faces:
        runs = f"runs/{face.name}.js"
        digest.update((out / runs).read_bytes())
        paths = {"image": face.image, "thumb": face.thumb, "link": face.link, "runs": runs}
        quoted = {name: quote(path) for name, path in paths.items()}
        shown.append(asdict(face) | quoted)
    page = {"id": digest.hexdigest()[:16], "name": name, "faces": shown}
    page["predicted"] = template == "audit.html"
    listed = [(key, -1 if first else 1, title) for key, (title, first) in orders.items()]
    return TEMPLATES.get_template(template).render(page=page, orders=listed, **context)
