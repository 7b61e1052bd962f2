import dataclasses
import json

import numpy as np
import pytest

from face_occlusion.core.files import file_sha256
from face_occlusion.evaluation.measures import summarise
from face_occlusion.evaluation.scores import (
    BenchmarkScores,
    ImageFacts,
    RunScores,
    read_scores,
    write_scores,
)
from tests.conftest import with_changes
from tests.evaluation.conftest import make_view
from tests.tables import refuses, rows


def make_facts(key, kind, size, ita_deg=None):
    pixels = {"size": size, "face_px": 6, "occluded_px": 2, "ita_deg": ita_deg}
    return ImageFacts(key=key, occluder_kind=kind, **pixels)


@pytest.fixture
def benchmarks(tmp_path):
    for name in ("realocc", "cofw"):
        (tmp_path / "benchmarks" / name).mkdir(parents=True)
        (tmp_path / "benchmarks" / name / "index.json").write_text(name)
    return tmp_path / "benchmarks"


@pytest.fixture
def scores(benchmarks):
    rng = np.random.default_rng(4)
    realocc = BenchmarkScores(
        fingerprint=file_sha256(benchmarks / "realocc/index.json"),
        images=[
            make_facts("a", "mask", (4, 5), ita_deg=12.5),
            make_facts("b", None, (6, 7)),
            make_facts("c", "hand", (8, 9), ita_deg=-50.0),
        ],
        views={"last": make_view(rng, 3), "best": make_view(rng, 3)},
        previews=["AAAA", None, "BBBB"],
    )
    absent = "the release is not there"
    cofw = BenchmarkScores(fingerprint=file_sha256(benchmarks / "cofw/index.json"), absent=absent)
    names = {"profile": "miniature", "run": "pspnet_c_wo", "model": "pspnet"}
    names |= {"combination": "C-WO", "headline": "last"}
    inference, parts = {"input_px": 96, "tta": None}, {"realocc": realocc, "cofw": cofw}
    return RunScores(**names, seed=2, inference=inference, benchmarks=parts)


@pytest.fixture
def path(tmp_path, scores):
    path = tmp_path / "scores" / "pspnet_c_wo.json"
    write_scores(path, scores)
    return path


def test_round_trip_keeps_everything_in_json_with_one_image_per_line(path, scores, benchmarks):
    assert [file.name for file in path.parent.iterdir()] == ["pspnet_c_wo.json"]
    raw = json.loads(path.read_text())
    assert raw["benchmarks"]["cofw"]["scores"] is None
    row = next(line for line in path.read_text().splitlines() if '"key":"b"' in line)
    assert json.loads(row.rstrip(","))["size"] == [6, 7]
    read = read_scores(path, profile="miniature", benchmarks_folder=benchmarks)
    for name, part in scores.benchmarks.items():
        again = read.benchmarks[name]
        for view, counts in part.views.items():
            np.testing.assert_equal(vars(again.views[view]), vars(counts))
        assert dataclasses.replace(again, views={}) == dataclasses.replace(part, views={})
    assert dataclasses.replace(read, benchmarks={}) == dataclasses.replace(scores, benchmarks={})
    write_scores(path.with_name("again.json"), read)
    assert path.with_name("again.json").read_bytes() == path.read_bytes()


def test_undefined_scores_survive_as_null(tmp_path, scores):
    for counts in vars(scores.benchmarks["realocc"].views["last"]).values():
        counts[:] = 0
    write_scores(tmp_path / "s.json", scores)
    raw = json.loads((tmp_path / "s.json").read_text(), parse_constant=pytest.fail)
    assert raw["benchmarks"]["realocc"]["scores"]["last"]["miou"] is None
    again = read_scores(tmp_path / "s.json").benchmarks["realocc"].views["last"]
    assert np.isnan(summarise(again)["miou"])


@pytest.mark.parametrize("share", [0.2, 0.6, 0.99])
def test_truncated_file_is_refused(path, share):
    text = path.read_text()
    path.write_text(text[: int(share * len(text))])
    refuses(r"pspnet_c_wo\.json: not readable as JSON", read_scores, path)
    path.unlink()
    refuses(r"pspnet_c_wo\.json: no such score file", read_scores, path)


@pytest.mark.parametrize(("changes", "message"), rows(__file__, "changed"))
def test_a_file_that_is_not_what_it_should_be_is_refused(path, changes, message):
    path.write_text(json.dumps(with_changes(json.loads(path.read_text()), changes)))
    refuses(message, read_scores, path, profile="miniature")


def test_a_changed_benchmark_is_named(path, benchmarks):
    (benchmarks / "realocc" / "index.json").write_text("other images")
    message = "benchmark 'realocc' changed since it was scored"
    refuses(message, read_scores, path, benchmarks_folder=benchmarks)
