"""Whole sets: D19 and D20, workers, order, what is taken over, failures."""

import dataclasses
import os
import pickle
import re
import shutil
import socket
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import face_occlusion
from bench import published
from face_occlusion.core.images import encode_jpeg, encode_png
from face_occlusion.core.imageset import ImageSet, encode_record, write_image_set
from face_occlusion.core.imageset.format import check_key, variant_keys
from face_occlusion.core.parallel import run_tasks
from face_occlusion.generation import GenerateParams, regenerate
from face_occlusion.generation.generate import fingerprint, generate_sample, generate_set
from face_occlusion.generation.harmonisation import HarmonisationParams
from face_occlusion.generation.store import OccluderStore, open_store, read_occluder
from tests.conftest import files_of
from tests.generation.drawn import (
    draw_face,
    params,
    write_faces,
    write_hands,
    write_objects,
    write_textures,
)

COUNT = 9


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    writers = {"hands": write_hands, "objects": write_objects, "textures": write_textures}
    faces = write_faces(folder / "faces", COUNT)
    return {"faces": faces} | {kind: write(folder / kind) for kind, write in writers.items()}


def small(kind, **changes):
    return params(kind, samples_per_shard=2, **changes)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def make(inputs, out, kind="objects", *, workers=1, executor="process", **changes):
    """Make a set of one kind in shards of two samples."""
    settings = small(kind, **changes)
    return generate_set(
        inputs["faces"], inputs[kind], out, settings, workers=workers, executor=executor
    )


def check_repeated(inputs, image_set, key):
    """Paint a sample of hands once more from its record; its image and map are the set's."""
    record = image_set.record(key)
    face, seg_map = (
        read(record["face"]) for read in (inputs["faces"].image, inputs["faces"].seg_map)
    )
    hand = read_occluder(inputs["hands"], record["occluder"])
    image, seg_map = regenerate(face, seg_map, hand, record)
    assert encode_jpeg(image, record["jpeg_quality"]) == image_set.read(key, "jpg")
    assert encode_png(seg_map) == image_set.read(key, "png")


@pytest.fixture(scope="module")
def hand_set(inputs, tmp_path_factory):
    return make(inputs, tmp_path_factory.mktemp("sets") / "hand", "hands")


@pytest.mark.parametrize("kind", ["hands", "objects", "textures"])
def test_a_set_has_each_face_once_and_says_what_it_is_made_from(inputs, kind, tmp_path):
    made = make(inputs, tmp_path / "set", kind)
    made.verify()
    assert made.keys == inputs["faces"].keys
    for key in made.keys:
        record, seg_map = made.record(key), made.seg_map(key)
        assert (record["face"], record["occluder"] in inputs[kind].keys) == (key, True)
        assert seg_map.shape == made.image(key).shape[:2]
        assert set(np.unique(seg_map)) == {0, 1}
        assert not published.save_mask(seg_map).any()  # defect D11: divided by 255 twice
    info = ImageSet(made.folder).info
    assert (info["kind"], info["faces"], info["params"]["seed"]) == ("synthetic", "drawn faces", 1)
    fields = {field.name for field in dataclasses.fields(GenerateParams)}
    assert info["params"].keys() == fields - {"variants"}  # written where there are several
    assert info["attempts"] >= COUNT
    assert 0.05 <= info["covered_frac"]["min"] <= info["covered_frac"]["max"] <= 0.5
    assert names(tmp_path) == ["set"]


@pytest.mark.parametrize("workers", [2, 8])
def test_several_workers_give_the_bytes_of_one(inputs, hand_set, tmp_path, workers):
    made = make(inputs, tmp_path / "hand", "hands", workers=workers)
    assert files_of(made.folder) == files_of(hand_set.folder)


def test_a_sample_does_not_depend_on_the_others(inputs, hand_set, tmp_path):
    """D20: alone, in another order, among others: the same bytes under the same key."""
    hands = open_store(inputs["hands"], "natocc", tmp_path / "hands.bin")
    for key in reversed(inputs["faces"].keys):
        alone = generate_sample(inputs["faces"], hands, key, small("hands"))
        for part, content in alone.items():
            assert content == hand_set.read(key, part)


def test_d19_a_failing_sample_fails_the_set_by_name(inputs, tmp_path):
    """No set of an empty mask in the middle, nor anything else under its name."""

    def samples():
        for number in range(5):
            image, seg_map = draw_face(number)
            if number == 3:
                seg_map[:] = 0
            parts = {"jpg": encode_jpeg(image, 95), "png": encode_png(seg_map)}
            yield f"{number:05d}", parts | {"json": encode_record({})}

    info = {"kind": "faces", "name": "holed", "sources": []}
    faces = write_image_set(tmp_path / "faces", samples(), info=info)
    for workers in (1, 2):
        with pytest.raises(ValueError, match=r"000001.tar: face 00003 \(seed \[\d+, 1\]\): .*no f"):
            make(inputs | {"faces": faces}, tmp_path / "set", workers=workers)
        assert not (tmp_path / "set").exists()
    made = published.generate_all(faces.keys, lambda key, _: 1 // int(faces.seg_map(key).sum()))
    assert len(made) == 4  # and nobody is told


def test_d19_an_error_while_painting_gives_the_record(inputs, tmp_path):
    missing = HarmonisationParams(method="rainnet:missing.pth", size_px=256, strength=1.0)
    with pytest.raises(ValueError, match=r"face 00000 .*missing\.pth.*record: .*'occluder': 'disc"):
        make(inputs, tmp_path / "set", harmonisation=missing)


def test_finished_shards_of_other_parameters_are_not_taken_over(inputs, tmp_path):
    out = tmp_path / "set"
    scratch = tmp_path / "set.partial"
    (scratch / "set").mkdir(parents=True)
    stale = fingerprint(inputs["faces"], inputs["objects"], small("objects", seed=9))
    (scratch / "fingerprint.json").write_text(stale)
    (scratch / "set" / "000000.tar").write_bytes(b"of another run")
    make(inputs, out).verify()
    assert stale != fingerprint(inputs["faces"], inputs["objects"], small("objects"))


@pytest.mark.parametrize(
    ("edited", "changes"),
    [
        (encode_jpeg.__module__, True),
        (write_image_set.__module__, True),
        ("face_occlusion.generation.harmonisation.rainnet", True),  # imported inside a function
        ("face_occlusion.evaluation.metrics", False),
    ],
)
def test_edited_code_takes_no_shards_over(inputs, tmp_path, monkeypatch, edited, changes):
    """The fingerprint holds all code that generation reaches, encoders included, and no other."""
    package = Path(face_occlusion.__file__).parent
    shutil.copytree(package, tmp_path / "face_occlusion")
    monkeypatch.setattr("face_occlusion.core.files.ROOT", tmp_path)
    before = fingerprint(inputs["faces"], inputs["objects"], small("objects"))
    module = tmp_path.joinpath(*edited.split(".")).with_suffix(".py")
    module.write_text(module.read_text() + "EDITED = True\n")
    after = fingerprint(inputs["faces"], inputs["objects"], small("objects"))
    assert (before != after) == changes


def test_an_absent_input_makes_an_absent_set(inputs, tmp_path):
    info = {"kind": "cutouts", "name": "objects", "sources": [], "absent": "no archive"}
    absent = write_image_set(tmp_path / "none", [], info=info)
    made = make(inputs | {"objects": absent}, tmp_path / "set")
    assert (made.absent, len(made)) == ("objects is absent: no archive", 0)


def test_a_set_of_another_kind_is_refused(inputs, tmp_path):
    with pytest.raises(ValueError, match="natocc needs a set of cutouts; got textures"):
        make(inputs | {"hands": inputs["textures"]}, tmp_path / "set", "hands")
    assert not (tmp_path / "set").exists()


def test_occluders_are_shared_through_a_file(inputs, tmp_path):
    store = open_store(inputs["hands"], "natocc", tmp_path / "hands.bin")
    assert isinstance(store, OccluderStore)
    travelled = pickle.loads(pickle.dumps(store))
    assert len(pickle.dumps(store)) < 20_000  # geometry, no pixels
    for key, ours, theirs in zip(sorted(inputs["hands"].keys), store, travelled, strict=True):
        direct = read_occluder(inputs["hands"], key)
        assert ours.key == theirs.key == key
        for level, other, read in zip(ours.levels, theirs.levels, direct.levels, strict=True):
            np.testing.assert_array_equal(level, read)
            np.testing.assert_array_equal(other, read)
            assert not level.flags.writeable


def test_unknown_executors_are_refused():
    with pytest.raises(ValueError, match="executor must be one of process, ray"):
        list(run_tasks([], 1, "threads"))


def test_a_ray_address_where_nobody_listens_is_named_at_once(monkeypatch):
    pytest.importorskip("ray", reason="ray is an extra: pip install 'face-occlusion[ray]'")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("RAY_ADDRESS", address)
        with pytest.raises(ValueError, match=f"RAY_ADDRESS={address}: nothing answers at this"):
            list(run_tasks([int], 1, "ray"))


@pytest.mark.slow
def test_two_ray_nodes_give_the_same_bytes(inputs, tmp_path):
    pytest.importorskip("ray", reason="ray is an extra: pip install 'face-occlusion[ray]'")
    from ray.cluster_utils import Cluster

    whole = make(inputs, tmp_path / "whole" / "set")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    cluster.add_node(num_cpus=1)
    os.environ["RAY_ADDRESS"] = str(cluster.address)

    def node():  # pickled by value: nothing of this file has to be there
        import ray

        time.sleep(0.5)
        return ray.get_runtime_context().get_node_id()

    try:
        assert len(set(run_tasks([node] * 4, workers=2, executor="ray"))) == 2
        made = make(inputs, tmp_path / "ray" / "set", workers=2, executor="ray")
    finally:
        del os.environ["RAY_ADDRESS"]
        cluster.shutdown()
    assert files_of(made.folder) == files_of(whole.folder)


@settings(max_examples=50)
@given(
    faces=st.lists(st.from_regex(r"[a-z0-9_]{1,8}", fullmatch=True), min_size=1, unique=True),
    few=st.integers(1, 9),
    more=st.integers(0, 9),
)
def test_more_variants_only_add_keys_at_the_end(faces, few, more):
    try:
        fewer, all_of_them = variant_keys(faces, few), variant_keys(faces, few + more)
    except ValueError:
        assert any(re.search(r"__v\d+$", face) for face in faces)
        return
    assert list(fewer.items()) == list(all_of_them.items())[: len(fewer)]
    assert list(fewer)[: len(faces)] == faces
    assert sorted(all_of_them.values()) == sorted((few + more) * faces)
    assert all(check_key(key) == key for key in all_of_them)


def test_keys_of_variants_that_are_keys_of_faces_are_refused():
    assert list(variant_keys(["a", "a__v2"], 1)) == ["a", "a__v2"]
    with pytest.raises(ValueError, match="two samples get the same key; rename faces"):
        variant_keys(["a", "a__v2"], 2)


def test_more_variants_leave_samples_keys_and_whole_shards_as_they_were(inputs, hand_set, tmp_path):
    """Each variant is another picture, and is repeated from its record as any sample is."""
    made = {1: hand_set}
    for variants in (2, 3):
        made[variants] = make(inputs, tmp_path / f"{variants}/hand", "hands", variants=variants)
        assert len(made[variants]) == variants * COUNT
        for key in made[variants - 1].keys:
            for part in ("jpg", "png", "json"):
                assert made[variants].read(key, part) == made[variants - 1].read(key, part)
    assert "variants" not in hand_set.info["params"]
    assert made[3].info["params"]["variants"] == 3
    whole = [(made[variants].folder / "000002.tar").read_bytes() for variants in (1, 2, 3)]
    assert len(set(whole)) == 1
    keys = ["00002", "00002__v2", "00002__v3"]
    assert len({made[3].read(key, "jpg") for key in keys}) == 3
    for key in keys:
        assert made[3].record(key)["face"] == "00002"
        check_repeated(inputs, made[3], key)
