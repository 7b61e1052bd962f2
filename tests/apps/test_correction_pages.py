"""The pages on which masks are corrected, in a real browser: Chromium, headless, from file://."""

import json

import cv2
import numpy as np
import pytest

pytest.importorskip("playwright", reason="playwright is not installed: pip install -e '.[dev]'")

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from pycocotools.coco import COCO

from face_occlusion.apps.auditing.audit import Finding, write_findings
from face_occlusion.apps.pages import PageFace, correction_page, write_runs
from face_occlusion.apps.prediction.predict import PredictOptions
from face_occlusion.core.images import encode_jpeg
from face_occlusion.faces.corrections import import_corrections, read_corrections
from face_occlusion.faces.faces import FacesParams, import_faces
from tests.apps.auditing.faces import HEIGHT, WIDTH, face_set
from tests.browser import Tab
from tests.conftest import processes
from tests.faces.drawn import PARAMS as CORRECTIONS
from tests.faces.drawn import celebamask_files
from tests.releases.build import make_release

RADIUS = 3.0  # after SMALLER
SMALLER = "[[[["


def write_audit(image_set, out):
    """Write a page of made-up findings, whose network sees an ellipse."""
    findings = []
    for rank, key in enumerate(image_set.keys, 1):
        probability = np.zeros((32, 32), np.float32)
        cv2.ellipse(probability, (16, 16), (9, 6 + rank), 0, 0, 360, (1.0,), -1)
        findings.append(Finding(rank, key, 1 / rank, probability, 0.1, (rank * 2 % 5) / 5))
    write_findings(out, image_set, "png", findings, len(findings), "Judged by a test.")
    return findings


class Editor(Tab):
    """A tab that shows a correction page."""

    def shown(self, name=""):
        self.page.wait_for_selector(f"body[data-shown='{name}']" if name else "body[data-shown]")

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def to_client(self, place, size):
        """Return whole CSS pixels near (x, y) of the left view's mask, and where these lie."""
        box = self.page.locator("#left").bounding_box()
        scale = min(box["width"] / size[1], box["height"] / size[0])
        corner = [
            box[axis] + (box[side] - scale * pixels) / 2
            for axis, side, pixels in (("x", "width", size[1]), ("y", "height", size[0]))
        ]
        client = [round(c + scale * p) for c, p in zip(corner, place, strict=True)]
        return client, np.subtract(client, corner) / scale

    def stroke(self, start, end, size):
        """Draw with the mouse, and return the (H, W) bool pixels that this must cover."""
        (first, a), (last, b) = self.to_client(start, size), self.to_client(end, size)
        self.page.mouse.move(*first)
        self.page.mouse.down()
        self.page.mouse.move(*last)
        self.page.mouse.up()
        return covered(a, b, size)

    def save(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with self.page.expect_download() as download:
            self.press("d")
        download.value.save_as(path)
        return path

    def mask(self, tmp_path):
        """Return the edited mask of the only judged or edited face, as pycocotools reads it."""
        saved = COCO(str(self.save(tmp_path / "saved.json")))
        return saved.annToMask(saved.loadAnns(saved.getAnnIds(catIds=[1]))[0])

    def pictures(self):
        """Return what the left and the right view show."""
        self.page.mouse.move(1, 1)  # the cursor is drawn too
        self.page.wait_for_timeout(50)
        return [self.page.locator(side).screenshot() for side in ("#left", "#right")]


def covered(start, end, size):
    """Return the (H, W) bool pixels whose centre is no farther than RADIUS from a line."""
    offset, line = np.dstack(np.indices(size)[::-1]) + 0.5 - start, np.subtract(end, start)
    t = np.clip(offset @ line / max(line @ line, 1e-9), 0, 1)
    return np.linalg.norm(offset - t[..., np.newaxis] * line, axis=-1) <= RADIUS


@pytest.fixture
def edit(open_tab):
    def open_page(folder):
        address = (folder / "index.html").as_uri()
        editor = open_tab(Editor, address, folder.as_uri(), accept_downloads=True)
        editor.shown()
        return editor

    return open_page


@pytest.fixture(scope="module")
def audit(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audit")
    image_set = face_set(folder / "faces", 3, set(), first=1)
    return image_set, folder / "out", write_audit(image_set, folder / "out")


@processes(1)  # others would import the project
def test_drawn_saved_imported_and_exactly_these_pixels_changed(edit, tmp_path):
    release = make_release(tmp_path / "raw", "celebamask_hq", celebamask_files())
    before = import_corrections(release, tmp_path / "before", CORRECTIONS, {})
    params = FacesParams(size_px=32, jpeg_quality=95, samples_per_shard=9)
    faces = import_faces(release, before, tmp_path / "faces", params)["wo"]
    write_audit(faces, tmp_path / "page")
    editor, size = edit(tmp_path / "page"), (32, 32)
    editor.press(*SMALLER)
    drawn = editor.stroke((4, 6), (12, 9), size)
    editor.press("e")
    erased = editor.stroke((14, 17), (20, 25), size)
    editor.stroke((3, 30), (30, 30), size)  # erases nothing, and is no step to undo
    editor.press("b", "f")  # fills the background around the cursor ...
    editor.press("z", "z", "y")  # ... undoes that and the eraser, and redoes the eraser
    editor.press("c")
    editor.page.keyboard.type("a hand; z and e are letters here")
    editor.press("Escape", "a")
    editor.shown("00001")
    editor.stroke((4, 6), (12, 9), size)
    editor.press("w")
    editor.shown("00002")
    expect(editor.page.locator("#count")).to_contain_text("2 of 3. Masks edited: 2, of which 1")
    editor.page.reload()  # as if the browser had been closed
    editor.shown("00000")
    expect(editor.page.locator("#comment")).to_have_value("a hand; z and e are letters here")
    saved = editor.save(tmp_path / "corrections/page/corrections.json")
    judged = json.loads(saved.read_text())["images"]
    assert [image["verdict"] for image in judged] == ["accept", "wrong"]
    assert editor.complaints == []

    changed = read_corrections(tmp_path / "corrections", CORRECTIONS)
    after = import_corrections(release, tmp_path / "after", CORRECTIONS, changed)
    assert after.record("00000")["corrected_by"] == "page"
    for key in before.keys:
        expected = before.seg_map(key).copy()
        if key == "00000":
            expected[drawn], expected[erased] = 1, 0
            assert (expected != before.seg_map(key)).sum() > 20
        np.testing.assert_array_equal(after.seg_map(key), expected)


def test_every_tool_works_by_keyboard_and_as_an_oracle_says(edit, audit, tmp_path):
    image_set, out, findings = audit
    editor, size = edit(out), (HEIGHT, WIDTH)
    mask, key = image_set.seg_map("00001"), findings[0].key
    assert key == "00001"
    editor.press("p")
    predicted = cv2.resize(findings[0].probability, size[::-1]) >= 0.5
    np.testing.assert_array_equal(editor.mask(tmp_path), predicted)
    editor.press("r")
    assert json.loads(editor.save(tmp_path / "none.json").read_text())["images"] == []
    editor.press("e", *SMALLER, "ArrowRight", "ArrowLeft", "Space")  # at the middle of the image
    middle = WIDTH / 2, HEIGHT / 2
    hole = covered(middle, middle, size)
    assert mask[hole].all()
    np.testing.assert_array_equal(editor.mask(tmp_path), np.where(hole, 0, mask))
    editor.page.keyboard.down("Space")
    editor.press("Shift+ArrowUp", "ArrowUp")
    editor.page.keyboard.up("Space")
    hole |= covered(middle, (middle[0], middle[1] - 11), size)
    left = np.where(hole, 0, mask)
    np.testing.assert_array_equal(editor.mask(tmp_path), left)
    editor.press("s")
    share, inner = cv2.blur(left.astype(np.float32), (3, 3)), np.s_[1:-1, 1:-1]
    np.testing.assert_array_equal(editor.mask(tmp_path)[inner], (share > 0.5)[inner])
    editor.press("z", "z", "Shift+ArrowDown", "ArrowDown", "b", "f")  # the dot again, filled
    assert json.loads(editor.save(tmp_path / "none.json").read_text())["images"] == []
    editor.press("z", "p", "u")
    expect(editor.page.locator("[aria-current] .mark")).to_have_text("")
    expect(editor.page.locator("#title")).to_have_text("2. 00002")
    saved = editor.save(tmp_path / "again.json")  # whether or not the next mask has arrived
    editor.shown("00002")
    editor.press("k")
    editor.shown("00001")
    editor.press("r", "x")
    editor.page.locator("#open").set_input_files(saved)
    expect(editor.page.locator("#said")).to_contain_text("1 faces taken over")
    np.testing.assert_array_equal(editor.mask(tmp_path), predicted)
    keys = editor.page.locator(".group kbd").all_inner_texts()
    assert len(keys) == len(set(keys)) == editor.page.locator(".group button").count() == 23
    assert editor.complaints == []


def test_views_move_together_and_a_hidden_mask_comes_back_at_the_same_place(edit, audit):
    editor = edit(audit[1])
    whole = editor.pictures()
    editor.page.locator("#right").hover()
    editor.page.mouse.wheel(0, -600)
    editor.page.keyboard.down("Shift")
    editor.page.mouse.down()
    editor.page.mouse.move(1000, 350)
    editor.page.mouse.up()
    editor.page.keyboard.up("Shift")
    near = editor.pictures()
    assert near[0] != whole[0] and near[1] != whole[1]
    editor.press("h")
    hidden = editor.pictures()
    assert hidden[0] == hidden[1] != near[0]  # the photograph alone, twice
    editor.press("h")
    assert editor.pictures() == near
    editor.press("0")
    assert editor.pictures() == whole


def test_faces_are_sorted_and_axe_finds_no_serious_fault(edit, audit):
    editor = edit(audit[1])
    names = editor.page.locator("#faces button")  # no innerText before they are painted
    expect(names).to_have_text(["1. 00001", "2. 00002", "3. 00003"])
    editor.press("o")
    editor.page.locator("#order").select_option(index=1)  # boundary IoU 0.4, 0.8, 0.2
    expect(names).to_have_text(["3. 00003", "1. 00001", "2. 00002"])
    painted = "node => node.checkVisibility({contentVisibilityAuto: true})"
    editor.page.wait_for_function(f"[...document.querySelectorAll('#faces span')].every({painted})")
    for scheme in ("light", "dark"):
        editor.page.emulate_media(color_scheme=scheme)
        violations = Axe().run(editor.page).response["violations"]
        assert [v for v in violations if v["impact"] in ("serious", "critical")] == []


def test_a_thousand_photographs_load_only_the_thumbnails_in_sight(edit, tmp_path):
    (tmp_path / "a.jpg").write_bytes(encode_jpeg(np.full((40, 48, 3), 99, np.uint8), 90))
    write_runs(tmp_path, "in <b>/999", np.eye(40, 48, dtype=np.uint8))  # the first to be shown
    faces = []
    for number in range(1000):
        name, order = f"in <b>/{number}", {"given": number, "unsure": None, "face": 0.5}
        if number < 999:
            (tmp_path / f"runs/{name}.js").write_text("never read")
        files = {"image": "a.jpg", "thumb": f"thumb {number}.jpg", "file": f"{number}.png"}
        about = {"title": name, "text": "", "size": (40, 48), "link": "a.jpg", "link_text": "m"}
        faces.append(PageFace(name=name, order=order, **files, **about))
    how = {"aligned": False, "image": "whole", "tta": ""}
    told = {"failed": [], "how": how, "options": PredictOptions()}
    html = correction_page("predictions.html", tmp_path, "x", faces, {"given": ("g", True)}, **told)
    (tmp_path / "index.html").write_text(html)
    editor = edit(tmp_path)
    assert editor.page.locator("#faces li").count() == 1000
    expect(editor.page.locator("#title")).to_have_text("in <b>/999")  # the order is the first
    assert 0 < sum("thumb" in url for url in editor.requests) < 100
    assert editor.page.get_by_role("button", name="Start from the network").count() == 0
    assert all(url.startswith("file://") for url in editor.requests)
