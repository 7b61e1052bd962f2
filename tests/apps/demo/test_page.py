"""The demo in a real browser: nothing is asked of any other machine."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("gradio", reason="needs the extra demo")
pytest.importorskip("playwright", reason="playwright is not installed: pip install -e '.[dev]'")

import gradio as gr
from playwright.sync_api import expect

from face_occlusion.apps.demo import analysis, page
from face_occlusion.apps.demo.analysis import Analyser
from face_occlusion.core.images import decode_mask
from tests.apps.demo.conftest import FACE, NETWORKS
from tests.apps.prediction.conftest import write_run, write_training_set
from tests.browser import Tab

expect.set_options(timeout=60_000)  # a busy machine


class DemoTab(Tab):
    kinds = ("error",)  # Gradio warns of its own


@pytest.fixture
def tab(tmp_path, photo, occluders, open_tab):
    """A tab that shows the demo."""
    built = page.build_page(Analyser(NETWORKS, occluders), tmp_path, [photo], "A note.")
    assert not built.analytics_enabled
    address = page.launch(built, "127.0.0.1", None)
    own = address.replace("http", "ws", 1), "blob:"
    allowed = ["camera", "clipboard-read", "clipboard-write"]
    tab = open_tab(DemoTab, address, *own, permissions=allowed)
    tab.page.set_default_timeout(60_000)
    yield tab
    built.close()


def test_the_page_works_and_asks_nothing_of_other_machines(tab, tmp_path):
    shown, address = tab.page, tab.page.url
    with gr.Blocks() as second, pytest.raises(ValueError, match=r"--port \d+: in use"):
        page.launch(second, "127.0.0.1", int(address.strip("/").rpartition(":")[2]))
    expect(shown.get_by_text("A note.")).to_be_visible()
    shown.locator(".gallery-item").first.click()
    expect(shown.get_by_text("anna.png: 160 × 176 pixels")).to_be_visible()
    expect(shown.get_by_text("careful: 33")).to_be_visible()
    with shown.expect_download() as download:
        shown.locator("a[download='anna_careful_mask.png']").click()
    mask = decode_mask(download.value.path().read_bytes(), "mask")
    np.testing.assert_array_equal(mask, FACE * np.uint8(255))

    slider = shown.get_by_test_id("imageslider-image").last
    overlay = slider.get_attribute("src") or ""
    shown.get_by_label("shape").check()
    expect(shown.get_by_text("credulous: 100.0 %")).to_contain_text("takes 100.0 % of the hidden")
    expect(slider).not_to_have_attribute("src", overlay)
    shown.get_by_label("nothing").check()
    expect(slider).to_have_attribute("src", overlay)
    shown.get_by_label("confidence").check()
    expect(slider).not_to_have_attribute("src", overlay)

    (tmp_path / "notes.png").write_text("no image")
    shown.get_by_label("Remove Image").click()
    shown.locator("input[type=file]").first.set_input_files(tmp_path / "notes.png")
    expect(shown.get_by_text("Refused. notes.png: not a readable image")).to_be_visible()
    expect(slider).to_have_count(0)

    shown.evaluate(Path(__file__).with_name("copy.js").read_text())
    shown.get_by_label("Remove Image").click()
    shown.get_by_label("Paste from clipboard").click()
    expect(shown.get_by_text("64 × 48 pixels")).to_be_visible()
    shown.get_by_label("Remove Image").click()
    shown.get_by_label("Capture from camera").click()
    shown.get_by_text("Click to Access Webcam").click()
    shown.wait_for_function("document.querySelector('video')?.videoWidth > 0")
    shown.get_by_label("capture photo").click()
    expect(shown.get_by_text(re.compile(r"\d{3,4} × \d{3,4} pixels"))).to_be_visible()
    assert tab.complaints == []
    own = ("data:", "blob:", address)
    assert [url for url in tab.requests if not url.startswith(own)] == []


def test_the_command_names_what_it_shows(tmp_path, monkeypatch, invoke, occluders):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(analysis, "EXAMPLES", ((1, "hand"),))
    launched = []
    monkeypatch.setattr(page, "launch", lambda *given: launched.append(given) or "http://here")
    monkeypatch.setattr("gradio.Blocks.block_thread", lambda built: None)
    for name in ("mine", "other"):
        write_run(tmp_path / "models" / name, "segformer")
    write_training_set(tmp_path / "data/faces/wo")
    printed = invoke("demo", "mine", "other", "--occluders", occluders, "--port", 7999)
    assert "mine and other have only seen drawn faces" in printed and "http://here" in printed
    ((built, *where),) = launched
    assert where == ["127.0.0.1", 7999]
    assert "mine and other" in str(built.config) and "drawn faces" in str(built.config)
    assert "one or two runs; got 3" in invoke("demo", "mine", "mine", "mine", status=1)
    monkeypatch.delitem(sys.modules, "face_occlusion.apps.demo.page")
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert "gradio: pip install 'face-occlusion[demo]'" in invoke("demo", "mine", status=1)
