"""The demo's page: a Gradio app that asks nothing of any other machine."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from face_occlusion.apps.demo import analysis
from face_occlusion.apps.prediction.predict import SHOWN_PX
from face_occlusion.core.images import reduced

MAX_UPLOAD_MB = 40
_NOTHING = "nothing"
_INVITATION = "Choose a photograph, or click on an example."
_CACHE = (3600, 3600)  # seconds: how often, and after which time, uploads are deleted


def build_page(
    analyser: analysis.Analyser, scratch: Path, examples: Sequence[Path] = (), note: str = ""
) -> gr.Blocks:
    """Lay out the page and connect it to an analyser.

    `scratch` is the folder for uploads and for files to download, which the caller removes,
    `examples` are image files to click on, and `note` says what to know of the networks.
    """
    os.environ["GRADIO_TEMP_DIR"] = str(scratch)
    names = list(analyser.networks)
    sides = ("photograph", names[0]) if len(names) == 1 else names

    def analyse(photo: Any, align: bool, kind: str, number: float, view: str) -> list[Any]:
        if not photo:
            return [_INVITATION, None, None]
        path, occluder = Path(photo["path"]), None if kind == _NOTHING else kind
        try:
            found = analyser.analyse(path, align=align, kind=occluder, number=int(number or 0))
        except ValueError as error:
            return [f"**Refused.** {error}", None, None]
        seen = [analysis.show(found.image, one.probability, view) for one in found.seen.values()]
        pair = (reduced(found.image, SHOWN_PX), *seen)[-2:]
        written = analysis.write_files(found, Path(tempfile.mkdtemp(dir=scratch)))
        return [describe(found), pair, list(map(str, written))]

    with gr.Blocks(title="Face occlusion", analytics_enabled=False, delete_cache=_CACHE) as page:
        gr.Markdown(f"## {' and '.join(names)}\n{note}")
        with gr.Row():
            with gr.Column(scale=1):
                photo = gr.Image(
                    type="filepath", sources=["upload", "webcam", "clipboard"], label="Photograph"
                )
                align = gr.Checkbox(
                    label="Find the faces and align them",
                    info="each is cut out as FFHQ does, as the networks saw faces in training"
                    if analyser.detector
                    else "needs pip install 'face-occlusion[align]'",
                    interactive=analyser.detector is not None,
                )
                kind = gr.Radio(
                    [_NOTHING, *analyser.occluders],
                    value=_NOTHING,
                    label="Put before the face",
                    info=None if analyser.occluders else "no occluder sets here: --occluders",
                )
                number = gr.Number(0, label="Which one", precision=0, minimum=0, step=1)
                if examples:
                    gr.Examples([[str(path)] for path in examples], [photo], label="Drawn faces")
            with gr.Column(scale=2):
                view = gr.Radio(list(analysis.VIEWS), value=analysis.VIEWS[0], label="Show")
                report = gr.Markdown(_INVITATION)
                slider = gr.ImageSlider(
                    label=f"left: {sides[0]}, right: {sides[1]}", format="png", max_height=480
                )
                files = gr.File(
                    label="Masks, cut-outs and LabelMe files",
                    file_count="multiple",
                    interactive=False,
                )
        inputs = [photo, align, kind, number, view]
        gr.on(
            [item.change for item in inputs],
            analyse,
            inputs,
            [report, slider, files],
            preprocess=False,  # the photograph's own file: decoded here, as everywhere
            show_progress="minimal",
        )
    return page


def describe(found: analysis.Analysis) -> str:
    """Describe what the networks saw, as Markdown."""
    height, width = found.image.shape[:2]
    faces = "" if found.faces is None else f", faces found: {len(found.faces)}"
    lines = [f"{found.name}: {width} × {height} pixels{faces}.", ""]
    for name, seen in found.seen.items():
        share = 100 * float((seen.probability >= analysis.THRESHOLD).mean())
        text = f"- **{name}**: {share:.1f} % of the pixels are face ({1000 * seen.seconds:.0f} ms)"
        if seen.hidden_taken is not None and seen.visible_lost is not None:
            hidden, lost = 100 * seen.hidden_taken, 100 * seen.visible_lost
            text += f"; it takes {hidden:.1f} % of the hidden face for face, and loses {lost:.1f} %"
            text += " of the visible face"
        lines.append(text)
    return "\n".join(lines)


def launch(page: gr.Blocks, host: str, port: int | None) -> str:
    """Serve the page in a thread until `page.close()`, and return its address.

    `port` None takes the first that is free from 7860 on; one that is in use is a ValueError, and
    so is a host that is no address of this computer.
    """
    try:
        _, address, _ = page.launch(
            server_name=host,
            server_port=port,
            share=False,
            ssr_mode=False,
            enable_monitoring=False,
            run_history=False,
            footer_links=[],
            max_file_size=f"{MAX_UPLOAD_MB}mb",
            prevent_thread_lock=True,
            quiet=True,
        )
    except OSError as error:
        raise ValueError(f"--host {host} --port {port}: in use, or not of this computer") from error
    return address
