"""The page in a real browser: Chromium, headless, from file://."""

from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="playwright is not installed: pip install -e '.[dev]'")

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from face_occlusion.evaluation.counting import decode_preview
from face_occlusion.reporting.cells import CellKey
from tests.browser import Tab

PHONE = {"width": 390, "height": 844}


class Visit(Tab):
    """A tab that shows the report."""

    def picture(self, canvas, is_wanted=lambda picture: True):
        """A canvas as a data URI, once it shows what is wanted: painting takes a moment."""
        self.page.wait_for_function("id => document.getElementById(id).width !== 300", arg=canvas)
        for _ in range(100):
            picture = self.page.evaluate("id => document.getElementById(id).toDataURL()", canvas)
            if is_wanted(picture):
                return picture
            self.page.wait_for_timeout(20)
        raise AssertionError(f"{canvas} does not show what is wanted")

    def open_details(self):
        """Show all that can be unfolded, once the page has painted."""
        self.picture("left")
        self.page.locator("details").evaluate_all("all => all.forEach((one) => one.open = true)")

    def violations(self, **options):
        """What axe finds serious."""
        found = Axe().run(self.page, options={"resultTypes": ["violations"], **options}).response
        return [one for one in found["violations"] if one["impact"] in ("serious", "critical")]


@pytest.fixture
def visit(open_tab, report):
    address = (report / "index.html").as_uri()
    return lambda **context: open_tab(Visit, address, **{"color_scheme": "light"} | context)


@pytest.fixture
def page(visit):
    return visit().page


COLUMN = """(table, number) => [...table.tBodies[0].rows].filter((row) => !row.hidden)
    .map((row) => row.cells[number].innerText.split("\\n")[0].trim())"""


def column(page, number, table=0):
    """What a table's column reads in the rows that are shown; column 0 names the training sets."""
    return page.locator("table.scores").nth(table).evaluate(COLUMN, number)


def first_table(page):
    return page.locator("table.scores").first


def says_paper(tip, cell):
    """The tip tells the paper's value of a cell."""
    expect(tip).to_contain_text(f"Paper: {cell.get_attribute('data-paper')}")


def test_it_loads_alone_and_without_complaints(visit):
    tab = visit()
    tab.open_details()
    tab.page.evaluate("Promise.all([...document.images].map((image) => image.decode()))")
    assert tab.complaints == []
    assert [url for url in tab.requests if not url.startswith("data:")] == [tab.page.url]
    expect(tab.page.locator("#curves .note")).to_contain_text("hard example mining keeps")
    tab.page.evaluate("new Image().src = 'https://example.org/x.png'")  # this would be seen
    tab.page.wait_for_timeout(200)
    assert tab.requests[-1] == "https://example.org/x.png"
    assert any("ERR_FAILED" in text for text in tab.complaints)


def test_axe_finds_no_serious_fault_by_day_and_by_night(visit):
    """Contrast is computed for a second a hundred elements: what looks alike is looked at once."""
    tab = visit()
    tab.open_details()
    assert tab.violations(rules={"color-contrast": {"enabled": False}}) == []
    tab.page.evaluate(Path(__file__).with_name("one_of_each.js").read_text())
    for scheme, ground in (("light", "rgb(250, 249, 246)"), ("dark", "rgb(20, 24, 23)")):
        tab.page.emulate_media(color_scheme=scheme)
        assert tab.violations(runOnly=["color-contrast"]) == []
        assert tab.page.evaluate("getComputedStyle(document.body).backgroundColor") == ground


def test_nothing_sticks_out_on_a_phone(visit):
    tab = visit(viewport=PHONE)
    tab.open_details()
    assert tab.violations(rules={"color-contrast": {"enabled": False}}) == []
    width = tab.page.get_by_alt_text("Figure 11").evaluate("image => image.clientWidth")
    assert width > 600  # 11 columns, of which the phone shows some at a time
    assert tab.page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def test_a_column_of_any_score_sorts_both_ways_and_one_with_gaps_keeps_them_last(page, grid):
    before = column(page, 0)
    header = first_table(page).locator("th[data-model]")
    sort = header.locator("button")
    sort.first.click()
    scores = [float(text) for text in column(page, 2)]
    assert scores == sorted(scores, reverse=True) and len(set(scores)) > 1
    assert header.first.get_attribute("aria-sort") == "descending"
    sort.first.click()
    assert [float(text) for text in column(page, 2)] == sorted(scores)
    page.get_by_role("button", name="Trained on").first.dblclick()
    assert column(page, 0) == sorted(before)
    sort.nth(3).click()  # COFW, which the project lacks
    assert set(column(page, 5)) == {"–"} and sorted(column(page, 0)) == sorted(before)
    page.get_by_text("Paper", exact=True).first.click()  # sorting follows what is shown
    printed = column(page, 2)
    assert sorted(map(float, printed)) != sorted(scores)
    sort.first.click()
    assert column(page, 2) == sorted(printed, key=float, reverse=True)
    page.locator("[data-control=show]").get_by_text("Boundary IoU").click()
    sort.nth(1).click()
    cells = [CellKey(name, "realocc", "deeplabv3plus") for name in grid.axes.combinations]
    best_first = sorted((grid.cells[key].boundary for key in cells), reverse=True)
    assert column(page, 3) == [f"{score:.2f}" for score in best_first]
    assert best_first[0] != max(grid.cells[key].ours for key in cells)


def test_every_table_is_copied_as_latex_as_it_is_shown(page):
    page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    copies = page.get_by_role("button", name="Copy as LaTeX", include_hidden=True)
    assert copies.count() == page.locator("main table").count() > 10
    page.locator("[data-control=models] label").nth(1).click()
    page.get_by_label("Training set contains").fill("randocc")
    copies.first.click()
    expect(page.locator(".copy").first).to_have_text("Copied")
    score, low_high = page.locator("td.score:visible").first.inner_text().split("\n")
    copied = page.evaluate("window.copied").splitlines()
    head, _, groups, models, rule, row, *_ = copied
    assert head == r"\begin{tabular}{lrrrrrrr}" and rule == r"\midrule"
    assert groups.startswith(r"Trained on & Images & \multicolumn{2}{c}{RealOcc} & ")
    assert models.startswith(" &  & PSPNet & SegFormer & PSPNet")
    interval = low_high.replace("–", "--")
    assert row.startswith(f"C-WO + C-WO-RandOcc & 9 + 18 & {score} {{\\scriptsize {interval}}} & ")
    assert row.endswith(r" \\") and row.count("&") == 7
    page.locator("#claims .copy").first.click()
    claims = page.evaluate("window.copied")
    assert all(text in claims for text in (r"\textbf{", r"difference $-$", "p{6cm}"))
    assert "%" not in claims.replace("\\%", "")


def test_a_link_leads_to_a_cell_even_of_a_breakdown_that_was_not_shown(visit):
    page = visit().page
    page.locator("#groups").select_option(index=1)
    for cell in (page.locator("td.score").nth(4), page.locator(".group-table:visible td").last):
        cell.click()
        name, text = cell.get_attribute("id"), cell.inner_text()
        assert page.url.endswith(f"#{name}")
        other = visit()
        other.page.goto(page.url)
        other.page.evaluate("dispatchEvent(new Event('hashchange'))")
        expect(other.page.locator("td:focus")).to_have_text(text, use_inner_text=True)
        expect(other.page.locator("td:focus")).to_be_in_viewport()
        assert other.page.evaluate("document.activeElement.id") == name


def test_filters_leave_rows_and_columns_out(page):
    page.get_by_label("Training set contains").fill("randocc")
    assert column(page, 0) == column(page, 0, 1) == ["C-WO + C-WO-RandOcc"]
    page.get_by_label("Training set contains").fill("")
    assert len(column(page, 0)) == 9
    columns = first_table(page).locator("thead th[data-model]:visible")
    assert columns.count() == 9
    models = page.locator("[data-control=models] label")
    models.nth(0).click()
    models.nth(1).click()
    assert columns.all_inner_texts() == ["SegFormer"] * 3
    models.nth(2).click()  # the last one stays
    assert columns.count() == 3


def test_one_breakdown_is_shown_at_a_time_by_the_chosen_score(page):
    shown = page.locator(".group-table:visible")
    assert shown.count() == 1
    expect(shown.locator("h3")).to_have_text("RealOcc · Occluder")
    before = shown.locator("td.score").all_inner_texts()
    assert all(before)
    page.locator("[data-control=measure]").get_by_text("Boundary IoU").click()
    after = shown.locator("td.score").all_inner_texts()
    assert all(after) and after != before
    shown.locator("th[data-column] button").last.click()
    texts = shown.locator("tr td:last-child").all_inner_texts()
    last = [float(text.split("\n")[0]) for text in texts]
    assert last == sorted(last, reverse=True)
    page.locator("#groups").select_option(index=1)
    assert shown.count() == 1
    expect(shown.locator("h3")).to_contain_text("Share of the face occluded")
    shown.locator("td.score").first.hover()
    expect(page.locator("#tip")).to_contain_text("Mean of the models: mIoU")


def test_a_cell_tells_the_papers_value_on_hover_and_on_tap(visit):
    for options in ({}, {"viewport": PHONE, "has_touch": True}):
        page = visit(**options).page
        cell, tip = first_table(page).locator("td.score").first, page.locator("#tip")
        cell.tap() if options else cell.hover()
        expect(tip).to_be_visible()
        says_paper(tip, cell)
        expect(tip).to_contain_text("checkpoint selected on RealOcc: mIoU")
        box = tip.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= page.viewport_size["width"]


def test_a_cell_is_reached_by_keys_too(page):
    tip, focused = page.locator("#tip"), page.locator("td.score:focus")
    first_table(page).locator("thead button").last.focus()
    rows = first_table(page).locator("tbody tr")
    for key, row, number in (("Tab", 0, 0), ("ArrowRight", 0, 1), ("ArrowDown", 1, 1)):
        page.keyboard.press(key)
        cell = rows.nth(row).locator("td.score").nth(number)
        expect(cell).to_be_focused()
        says_paper(tip, cell)
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    page.get_by_label("Training set contains").fill("Mix")  # hides the cell that Tab led to
    first_table(page).locator("thead button").last.focus()
    page.keyboard.press("Tab")
    assert focused.evaluate("cell => cell.parentElement.dataset.title") == "C-WO + C-WO-Mix"
    page.keyboard.press("ArrowDown")  # no other row: stays
    expect(focused).to_be_visible()


def test_the_slider_moves_the_boundary(page):
    slider = page.get_by_label("Boundary between left and right")

    def boundary():
        return page.evaluate("getComputedStyle(document.getElementById('divider')).left")

    width = page.locator(".pair").bounding_box()["width"]
    assert float(boundary().removesuffix("px")) == pytest.approx(width / 2, abs=1)
    slider.fill("20")
    assert float(boundary().removesuffix("px")) == pytest.approx(width / 5, abs=1)
    clip = page.evaluate("getComputedStyle(document.getElementById('right')).clipPath")
    assert clip.endswith("20%)")
    slider.press("ArrowRight")
    assert slider.input_value() == "21"


def test_runs_change_what_is_painted_and_written(visit):
    tab = visit()
    page, before, image = tab.page, tab.picture("left"), tab.picture("still-image")
    page.locator("#run-a").select_option("segformer_c_original")
    tab.picture("left", lambda picture: picture != before)
    expect(page.locator("#tag-a")).to_contain_text("SegFormer · C-Original: ")
    page.locator("#run-b").select_option("truth")
    expect(page.locator("#tag-b")).to_have_text("Truth")
    truth = tab.picture("still-truth")
    tab.picture("right", lambda picture: picture == truth)
    page.locator("#run-b").select_option("image")
    tab.picture("right", lambda picture: picture == image)
    assert tab.picture("still-image") == image != truth  # other runs, the same image
    assert tab.complaints == []


def test_the_difference_of_two_runs_is_a_view_of_its_own(visit, grid):
    tab = visit()
    page, before = tab.page, tab.picture("left")
    page.get_by_text("Difference of the two").click()
    tab.picture("left", lambda picture: picture != before)
    expect(page.locator("#slider")).to_be_hidden()
    expect(page.locator("#right")).to_be_hidden()
    data = page.evaluate("JSON.parse(document.querySelector('.browser-data').textContent)")
    index = int(page.locator("#strip [aria-pressed=true]").get_attribute("data-index"))
    chosen = {run["run"]: run["masks"][index] for run in data["runs"]}
    shown = (page.locator(f"#run-{side}").input_value() for side in "ab")
    left, right = (decode_preview(chosen[run]) for run in shown)
    truth = decode_preview(data["images"][index]["truth"])
    for side, right_alone in (("a", left == truth), ("b", right == truth)):
        share = (right_alone & (left != right)).mean()
        expect(page.locator(f"#tag-{side}")).to_contain_text(f"run is right: {100 * share:.1f} %")
    gaps = labels(page)
    wins = sum(gap > 0 for gap in gaps), sum(gap < 0 for gap in gaps)
    said = page.locator("#summary")
    expect(said).to_contain_text(f"higher in {wins[0]}, the left in {wins[1]}")
    expect(said).to_contain_text(f"these 4 images: {sum(gaps) / len(gaps):+.1f}")
    page.get_by_text("Side by side", exact=True).click()
    tab.picture("left", lambda picture: picture == before)
    page.locator("#run-b").select_option("truth")
    expect(said).to_have_text("Choose two runs to compare them.")
    assert tab.complaints == []


def labels(page):
    texts = page.locator("#strip button").all_inner_texts()
    return [float(text.replace("−", "-")) for text in texts]


def test_images_are_sorted_by_score(page):
    gains = labels(page)
    assert gains == sorted(gains, reverse=True) and len(gains) == 4
    page.locator("#order").select_option("loss")
    assert labels(page) == sorted(gains)
    scores = {}
    for side in ("left", "right"):
        page.locator("#order").select_option(side)
        scores[side] = labels(page)
        assert scores[side] == sorted(scores[side]) and 50 < scores[side][0] < 100
    page.locator("#run-b").select_option("image")  # without a score: of no account
    page.locator("#order").select_option("left")
    assert labels(page) == scores["left"]
    page.locator("#score").select_option("boundary_iou")
    boundary = labels(page)
    assert boundary == sorted(boundary) and boundary != scores["left"]
    page.locator("#order").select_option("key")
    names = page.locator("#strip button").all_inner_texts()
    assert names == sorted(names)


def test_another_image_and_another_benchmark_are_shown(visit):
    tab = visit()
    page, first = tab.page, tab.picture("still-image")
    page.locator("#strip button").nth(1).click()
    second = tab.picture("still-image", lambda picture: picture != first)
    assert page.locator("#strip [aria-pressed=true]").count() == 1
    page.locator("#benchmark").select_option("wo_test")
    page.locator("#order").select_option("key")
    page.locator("#strip button").last.click()
    tab.picture("still-image", lambda picture: picture not in (first, second))
    expect(page.locator("#about")).to_contain_text("00007")
    assert tab.complaints == []


def test_without_javascript_all_is_shown_that_can_work(visit):
    page = visit(java_script_enabled=False).page
    outline = page.locator("#samples .picture svg").first
    expect(outline).to_be_visible()
    page.get_by_label("Outline of the face mask").uncheck()
    expect(outline).to_be_hidden()
    for table in page.locator("table.scores").all():
        expect(table).to_be_visible()
    cell = page.locator("table.scores td.score").first
    assert "Paper: " in (cell.get_attribute("title") or "")
    for dead in (".controls", ".browser", "#slider", "#tip"):
        assert page.locator(dead).locator("visible=true").count() == 0
    expect(page.locator("noscript .note")).to_be_visible()
    expect(page.locator("#figures img").first).to_be_visible()
