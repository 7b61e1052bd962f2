import dataclasses
import json

import numpy as np
import pytest

from face_occlusion.evaluation.measures import summarise
from face_occlusion.evaluation.scores import (
    BenchmarkScores,
    ImageFacts,
    RunScores,
    fingerprint,
    read_scores,
    write_scores,
)
from tests.evaluation.conftest import make_view


def make_facts(key, kind, size, ita_deg=None):
    return ImageFacts(
        key=key, occluder_kind=kind, size=size, face_px=6, occluded_px=2, ita_deg=ita_deg
    )


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
        fingerprint=fingerprint(benchmarks / "realocc"),
        images=[
            make_facts("a", "mask", (4, 5), ita_deg=12.5),
            make_facts("b", None, (6, 7)),
            make_facts("c", "hand", (8, 9), ita_deg=-50.0),
        ],
        views={"last": make_view(rng, 3), "best": make_view(rng, 3)},
        previews=["AAAA", None, "BBBB"],
    )
    cofw = BenchmarkScores(
        fingerprint=fingerprint(benchmarks / "cofw"), absent="the release is not there"
    )
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
    assert realocc(raw)["scores"]["last"]["miou"] is None
    again = read_scores(tmp_path / "s.json").benchmarks["realocc"].views["last"]
    assert np.isnan(summarise(again)["miou"])


@pytest.mark.parametrize("share", [0.2, 0.6, 0.99])
def test_truncated_file_is_refused(path, share):
    text = path.read_text()
    path.write_text(text[: int(share * len(text))])
    with pytest.raises(ValueError, match=r"pspnet_c_wo\.json: not readable as JSON"):
        read_scores(path)
    path.unlink()
    with pytest.raises(ValueError, match=r"pspnet_c_wo\.json: no such score file"):
        read_scores(path)


def realocc(raw):
    return raw["benchmarks"]["realocc"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw.update(format="else"), "not a score file"),
        (lambda raw: raw.update(version=1), "format version 1, this code reads 2"),
        (lambda raw: raw.pop("version"), "format version None, this code reads 2"),
        (lambda raw: raw.pop("model"), r"truncated: missing \['model'\]"),
        (lambda raw: raw.update(profile="small"), "profile 'small', expected 'miniature'"),
        (lambda raw: realocc(raw)["images"].pop(), r"last\.miou is .* but its counts give"),
        (lambda raw: realocc(raw)["scores"]["best"].update(miou=None), r"best\.miou is None"),
        (lambda raw: realocc(raw)["images"][1]["last"].update(counts=[1]), "benchmark 'realocc'"),
        (
            lambda raw: [row["best"].update(boundary=[1, 2, 3]) for row in realocc(raw)["images"]],
            r"boundary must be of shape \(2,\); got \(3,\)",
        ),
        (
            lambda raw: realocc(raw)["images"][2]["best"]["border"].reverse(),
            r"scores\.best\.miou_border is .* but its counts give",
        ),
        (lambda raw: realocc(raw)["scores"]["last"].pop("ece"), r"scores\.last must be .*'ece'"),
        (lambda raw: realocc(raw)["images"][0].pop("size"), "'realocc': missing key 'size'"),
        (lambda raw: raw.update(benchmarks=None), "'benchmarks' must be an object; got None"),
        (
            lambda raw: realocc(raw).update(scores=["last"]),
            r"_wo\.json: .*'realocc': 'list' object",
        ),
        (lambda raw: raw.update(headline="best_tta"), r"no view 'best_tta'.*\['last', 'best'\]"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_refused(path, change, message):
    raw = json.loads(path.read_text())
    change(raw)
    path.write_text(json.dumps(raw))
    with pytest.raises(ValueError, match=message):
        read_scores(path, profile="miniature")


def test_a_changed_benchmark_is_named(path, benchmarks):
    (benchmarks / "realocc" / "index.json").write_text("other images")
    with pytest.raises(ValueError, match="benchmark 'realocc' changed since it was scored"):
        read_scores(path, benchmarks_folder=benchmarks)
    with pytest.raises(ValueError, match="not an image set"):
        fingerprint(benchmarks)
