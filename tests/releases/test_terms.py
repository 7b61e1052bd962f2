"""The terms of every source: stated once, recorded by what is made from it, told in the docs."""

import json

import pytest

from face_occlusion.core.release import Release
from face_occlusion.releases.table import DRAWN_LICENCE, SOURCES
from tests.conftest import ROOT
from tests.releases.build import make_release


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_states_its_terms_and_the_docs_agree(name):
    source = SOURCES[name]
    assert source.licence and source.citation and source.terms_url.startswith("http")
    rows = (ROOT / "docs" / "data.md").read_text().splitlines()
    told = [row for row in rows if row.startswith(f"| `{name}` |")]
    assert len(told) == 1
    assert told[0].endswith(f"| {source.licence} |")


def test_a_release_says_what_a_set_made_from_it_says(tmp_path):
    release = make_release(tmp_path, "dtd", {"a.txt": b"1"})
    assert release.provenance()["releases"]["dtd"]["licence"] == "not recorded"
    record = {"source": "dtd", "origin": "miniature", "licence": DRAWN_LICENCE, "files": []}
    (tmp_path / "release.json").write_text(json.dumps(record))
    said = Release(tmp_path).provenance()
    assert said["sources"] == ["dtd"]
    about = said["releases"]["dtd"]
    assert (about["licence"], about["origin"]) == (DRAWN_LICENCE, "miniature")
