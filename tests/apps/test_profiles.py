import pytest
from ruamel.yaml import YAML

from face_occlusion.apps.profiles import compose, switch
from tests.tables import refuses


@pytest.fixture
def profiles(tmp_path):
    paper = "profile: paper\ntrain: {lr: 0.01, size: 512}  # Q33\nrow: &row {a: 1}\nuse: *row\n"
    (tmp_path / "paper.yaml").write_text(paper)
    (tmp_path / "tiny.yaml").write_text("profile: tiny\ntrain: {size: 64}\n")
    return tmp_path


def load(text):
    return YAML(typ="safe").load(text)


def test_a_profile_changes_only_what_it_names_and_may_add_runs(profiles):
    text = compose(profiles, "tiny")
    train = {"lr": 0.01, "size": 64}
    assert load(text) == {"profile": "tiny", "train": train, "row": {"a": 1}, "use": {"a": 1}}
    assert "# Q33" in text
    (profiles / "paper.yaml").write_text("runs:\n  a: {model: m}  # first\ntrain: {lr: 1}\n")
    (profiles / "tiny.yaml").write_text("runs: {a__seed2: {model: m, seed: 2}}\n")
    runs = {"a": {"model": "m"}, "a__seed2": {"model": "m", "seed": 2}}
    assert load(compose(profiles, "tiny"))["runs"] == runs
    (profiles / "tiny.yaml").write_text("runs: {a: {sed: 2}}\n")
    refuses(r"tiny.yaml: runs.a.unknown key 'sed'", compose, profiles, "tiny")


def test_unknown_profiles_and_keys_are_named(profiles):
    refuses(r"no profile 'huge'.*paper, tiny", compose, profiles, "huge")
    refuses("gone: no such folder; run from", compose, profiles / "gone", "paper")
    (profiles / "tiny.yaml").write_text("train: {rate: 1}\n")
    refuses(r"tiny.yaml: train.unknown key 'rate'; known: lr, size", compose, profiles, "tiny")
    for text, message in (("a: [", "not readable as YAML: line"), ("- 1", "must be a mapping")):
        (profiles / "tiny.yaml").write_text(text)
        refuses(rf"tiny\.yaml: {message}", compose, profiles, "tiny")


def test_the_command_switches_back_and_forth_and_keeps_what_was_edited(
    profiles, tmp_path, monkeypatch, invoke
):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "here/profiles").symlink_to(profiles)
    target = tmp_path / "here/params.yaml"
    assert invoke("profile", "paper") == "params.yaml now holds the profile 'paper'\n"
    before = target.read_text()
    assert "now holds" in invoke("profile", "tiny")
    assert "already held the profile 'tiny'" in invoke("profile", "tiny")
    assert switch(profiles, "paper", target)
    assert target.read_text() == before
    target.write_text(before.replace("0.01", "0.02"))
    assert "would lose your changes" in invoke("profile", "tiny", status=1)
    assert load(target.read_text())["train"]["lr"] == 0.02
    assert "now holds" in invoke("profile", "tiny", "--force")
