"""README and docs name commands, options, files and pages that exist."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.apps.test_cli import COMMANDS
from tests.conftest import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def written_calls(text: str) -> list[list[str]]:
    """Return the words after each `face-occlusion` in fenced blocks and between backquotes."""
    joined = text.replace("\\\n", " ")
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", joined, re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines()]
    lines += re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", joined, flags=re.DOTALL))
    calls = (re.split(r"(?:^|[;|&] *)face-occlusion\s", line)[1:] for line in lines)
    return [re.split(r"[;|&#]", call)[0].split() for found in calls for call in found]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_their_options_exist(page: Path):
    for name, *words in written_calls(page.read_text()):
        if name == "--help":
            continue
        assert name in COMMANDS, f"face-occlusion {name}"
        known = {option for param in COMMANDS[name].params for option in param.opts}
        unknown = {word for word in words if re.match(r"--?[a-z]", word)} - known
        assert not unknown, f"face-occlusion {name}: {unknown}"


def test_calls_are_found_where_they_are_written():
    block = "```sh\na && face-occlusion run --jobs 2 \\\n  -j 3 # c\n```\n"
    text = "x `face-occlusion look A\n--num 2` y\n" + block
    assert written_calls(text) == [["run", "--jobs", "2", "-j", "3"], ["look", "A", "--num", "2"]]


def headings(page: Path) -> set[str]:
    """Return the headings of a page as links name them."""
    lines = [line.lstrip("# ").lower() for line in page.read_text().splitlines() if line[:1] == "#"]
    return {re.sub(r"[^\w -]", "", line).replace(" ", "-") for line in lines}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_python_files_that_are_named_exist(page: Path):
    text = page.read_text()
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    local = [link.partition("#") for link in links if not link.startswith("http")]
    assert not [name for name, _, _ in local if not (page.parent / name).exists()]
    targets = [(page.parent / name if name else page, part) for name, _, part in local if part]
    assert not [f"{linked}#{part}" for linked, part in targets if part not in headings(linked)]
    names = re.findall(r"`((?:face_occlusion|stages|tests|bench)/[\w/.]+)`", text)
    modules = re.findall(r"python -m ((?:bench|stages)\.[a-z_]+)", text)
    names += [f"{name.replace('.', '/')}.py" for name in modules]
    assert not [name for name in names if not (ROOT / name).exists()]


def test_the_table_of_experiments_drops_inputs_and_keeps_values():
    (pattern,) = re.findall(r"dvc exp show .*--drop '([^']+)'", PAGES[0].read_text())
    stages = YAML(typ="safe").load(ROOT / "dvc.lock")["stages"].values()
    inputs = {dep["path"] for stage in stages for dep in stage["deps"]}
    assert inputs and [dep for dep in inputs if not re.match(pattern, dep)] == []
    for value in ("report.figures.dpi", "models.pspnet.depth", "realocc.c_wo_natocc"):
        assert not re.match(pattern, value)


def test_the_readme_draws_every_stage():
    section = PAGES[0].read_text().partition("## The pipeline")[2]
    drawn = set(re.findall(r"[a-z]+", section.partition("```text")[2].partition("```")[0]))
    stages = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
    assert set(stages) == drawn - {"sets", "rows", "runs", "x", "and"}
