import pytest
from ruamel.yaml import YAML

from face_occlusion.apps.profiles import compose, switch


@pytest.fixture
def profiles(tmp_path):
    folder = tmp_path / "profiles"
    folder.mkdir()
    (folder / "paper.yaml").write_text(
        "profile: paper\ntrain: {lr: 0.01, size: 512}  # Q33\nrow: &row {a: 1}\nuse: *row\n"
    )
    (folder / "tiny.yaml").write_text("profile: tiny\ntrain: {size: 64}\n")
    return folder


def load(text):
    return YAML(typ="safe").load(text)


def test_a_profile_changes_only_what_it_names(profiles):
    text = compose(profiles, "tiny")
    assert load(text) == {
        "profile": "tiny",
        "train": {"lr": 0.01, "size": 64},
        "row": {"a": 1},
        "use": {"a": 1},
    }
    assert "# Q33" in text


def test_an_unknown_profile_names_the_known_ones(profiles):
    with pytest.raises(ValueError, match=r"no profile 'huge'.*paper, tiny"):
        compose(profiles, "huge")


def test_a_profile_cannot_bring_a_new_key(profiles):
    (profiles / "tiny.yaml").write_text("train: {rate: 1}\n")
    with pytest.raises(ValueError, match=r"tiny.yaml: train.unknown key 'rate'; known: lr, size"):
        compose(profiles, "tiny")


def test_switching_back_and_forth_restores_the_file(profiles, tmp_path):
    target = tmp_path / "params.yaml"
    assert switch(profiles, "paper", target)
    before = target.read_text()
    assert switch(profiles, "tiny", target)
    assert not switch(profiles, "tiny", target)
    assert switch(profiles, "paper", target)
    assert target.read_text() == before


def test_hand_edited_parameters_are_not_lost(profiles, tmp_path):
    target = tmp_path / "params.yaml"
    switch(profiles, "paper", target)
    target.write_text(target.read_text().replace("0.01", "0.02"))
    with pytest.raises(ValueError, match="would lose your changes"):
        switch(profiles, "tiny", target)
    assert load(target.read_text())["train"]["lr"] == 0.02
    assert switch(profiles, "tiny", target, force=True)
