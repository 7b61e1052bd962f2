"""Whole sets: D19 and D20, workers, order, what is taken over, failures."""

import dataclasses
import json
import socket
import time

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bench import published
from face_occlusion.core.files import import_closure
from face_occlusion.core.images import encode_jpeg, encode_png
from face_occlusion.core.imageset import ImageSet, write_image_set
from face_occlusion.core.imageset.format import check_key, variant_keys
from face_occlusion.core.parallel import run_tasks
from face_occlusion.generation import GenerateParams, generate, regenerate
from face_occlusion.generation.generate import fingerprint, generate_sample, generate_set
from face_occlusion.generation.harmonisation import HarmonisationParams, rainnet
from face_occlusion.generation.store import open_store, read_occluder
from stages import generate as stage
from tests.conftest import files_of
from tests.generation.drawn import draw_face, params, write_drawn, write_faces, write_occluders

COUNT = 9


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    return write_occluders(folder) | {"faces": write_faces(folder / "faces", COUNT)}


def small(kind, **changes):
    return params(kind, samples_per_shard=2, **changes)


def make(inputs, out, kind="objects", *, workers=1, executor="process", **changes):
    """Make a set of one kind in shards of two samples."""
    how = {"workers": workers, "executor": executor}
    return generate_set(inputs["faces"], inputs[kind], out, small(kind, **changes), **how)


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
    assert info["params"].keys() == fields - {"variants", "second_prob"}  # written where they act
    assert "second_occluders" not in info
    assert info["attempts"] >= COUNT
    assert 0.05 <= info["covered_frac"]["min"] <= info["covered_frac"]["max"] <= 0.5
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_d20_neither_workers_nor_other_samples_change_a_byte(inputs, hand_set, tmp_path):
    """A sample alone or in another order has the same bytes under the same key."""
    made = make(inputs, tmp_path / "hand", "hands", workers=3)
    assert files_of(made.folder) == files_of(hand_set.folder)
    hands = open_store(inputs["hands"], "natocc", tmp_path / "hands.bin")
    for key in reversed(inputs["faces"].keys):
        alone = generate_sample(inputs["faces"], hands, key, small("hands"))
        assert alone == {part: hand_set.read(key, part) for part in alone}


def test_d19_a_failing_sample_fails_the_set_by_name(inputs, tmp_path):
    """No set of an empty mask in the middle, nor anything else under its name."""
    samples = []
    for number in range(5):
        image, seg_map = draw_face(number)
        samples.append((f"{number:05d}", {"jpg": image, "png": seg_map * (number != 3)}, {}))
    faces = write_drawn(tmp_path / "faces", "faces", "holed", samples)
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


def test_shards_of_other_parameters_or_of_edited_code_are_not_taken_over(
    inputs, tmp_path, monkeypatch
):
    """The fingerprint holds all code that generation reaches, encoders included, and no other."""
    sets = inputs["faces"], inputs["objects"]
    current, stale = (fingerprint(*sets, small("objects", seed=seed)) for seed in (1, 9))
    assert current != stale
    scratch = tmp_path / "set.partial"
    (scratch / "set").mkdir(parents=True)
    (scratch / "fingerprint.json").write_text(stale)
    (scratch / "set" / "000000.tar").write_bytes(b"of another run")
    make(inputs, tmp_path / "set").verify()
    reached = import_closure(generate.__name__)
    assert {encode_jpeg.__module__, write_image_set.__module__, rainnet.__name__} <= set(reached)
    assert "face_occlusion.evaluation.metrics" not in reached
    monkeypatch.setattr(generate, "code_sha256", lambda *modules: f"edited {modules}")
    edited = fingerprint(*sets, small("objects"))
    assert edited != current and generate.__name__ in edited


def test_an_absent_input_makes_an_absent_set_and_one_of_another_kind_is_refused(inputs, tmp_path):
    absent = write_drawn(tmp_path / "none", "cutouts", "objects", [], absent="no archive")
    made = make(inputs | {"objects": absent}, tmp_path / "absent")
    assert (made.absent, len(made)) == ("objects is absent: no archive", 0)
    with pytest.raises(ValueError, match="natocc needs a set of cutouts; got textures"):
        make(inputs | {"hands": inputs["textures"]}, tmp_path / "set", "hands")
    assert not (tmp_path / "set").exists()


def test_unknown_executors_and_a_ray_address_where_nobody_listens_are_named_at_once(monkeypatch):
    with pytest.raises(ValueError, match="executor must be one of process, ray"):
        list(run_tasks([], 1, "threads"))
    pytest.importorskip("ray", reason="ray is an extra: pip install 'face-occlusion[ray]'")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("RAY_ADDRESS", address)
        with pytest.raises(ValueError, match=f"RAY_ADDRESS={address}: nothing answers at this"):
            list(run_tasks([int], 1, "ray"))


@pytest.mark.slow
def test_two_ray_nodes_give_the_same_bytes(inputs, tmp_path, monkeypatch):
    pytest.importorskip("ray", reason="ray is an extra: pip install 'face-occlusion[ray]'")
    from ray.cluster_utils import Cluster

    whole = make(inputs, tmp_path / "whole" / "set")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    cluster.add_node(num_cpus=1)
    monkeypatch.setenv("RAY_ADDRESS", str(cluster.address))

    def node():  # pickled by value: nothing of this file has to be there
        import ray

        time.sleep(0.5)
        return ray.get_runtime_context().get_node_id()

    try:
        assert len(set(run_tasks([node] * 4, workers=2, executor="ray"))) == 2
        made = make(inputs, tmp_path / "ray" / "set", workers=2, executor="ray")
    finally:
        cluster.shutdown()
    assert files_of(made.folder) == files_of(whole.folder)


names = st.from_regex(r"[a-z0-9_]{1,3}(__v[0-9])?", fullmatch=True)


@example(["a", "a__v2"], 1, 0)
@example(["a", "a__v2"], 1, 1)
@given(st.lists(names, min_size=1, unique=True), st.integers(1, 9), st.integers(0, 9))
def test_more_variants_only_add_keys_at_the_end(faces, few, more):
    try:
        fewer, all_of_them = variant_keys(faces, few), variant_keys(faces, few + more)
    except ValueError as error:
        assert {face.rpartition("__v")[0] for face in faces} & set(faces) and few + more > 1
        assert "two samples get the same key; rename faces" in str(error)
        return
    assert list(fewer.items()) == list(all_of_them.items())[: len(fewer)]
    assert list(fewer)[: len(faces)] == faces
    assert sorted(all_of_them.values()) == sorted((few + more) * faces)
    assert all(check_key(key) == key for key in all_of_them)


def test_more_variants_leave_samples_keys_and_whole_shards_as_they_were(inputs, hand_set, tmp_path):
    """Each variant is another picture, and is repeated from its record as any sample is."""
    made = make(inputs, tmp_path / "hand", "hands", variants=3)
    assert len(made) == 3 * COUNT
    for key in hand_set.keys:
        for part in ("jpg", "png", "json"):
            assert made.read(key, part) == hand_set.read(key, part)
    assert "variants" not in hand_set.info["params"]
    assert made.info["params"]["variants"] == 3
    whole = [(image_set.folder / "000002.tar").read_bytes() for image_set in (made, hand_set)]
    assert len(set(whole)) == 1
    keys, face = ["00002", "00002__v2", "00002__v3"], "00002"
    assert len({made.read(key, "jpg") for key in keys}) == 3
    for key in keys:
        record = made.record(key)
        assert record["face"] == face
        hand, faces = read_occluder(inputs["hands"], record["occluder"]), inputs["faces"]
        image, seg_map = regenerate(faces.image(face), faces.seg_map(face), hand, record)
        assert encode_jpeg(image, record["jpeg_quality"]) == made.read(key, "jpg")
        assert encode_png(seg_map) == made.read(key, "png")


def test_a_share_of_the_samples_gets_a_second_occluder_and_the_others_stay_as_they_were(
    inputs, hand_set, tmp_path, monkeypatch, caplog
):
    values = dataclasses.asdict(small("hands", second_prob=0.5))
    (tmp_path / "params.yaml").write_text(json.dumps({"generate": {"hand": values}}))
    monkeypatch.chdir(tmp_path)
    words = ["hand", str(inputs["faces"].folder), str(inputs["hands"].folder), "hand"]
    monkeypatch.setattr("sys.argv", ["generate", *words, "--workers", "1"])
    with caplog.at_level("INFO"):
        stage.main()
    made = ImageSet(tmp_path / "hand")
    second = [key for key in made.keys if "under" in made.record(key)]
    assert 0 < len(second) < COUNT and made.info["second_occluders"] == len(second)
    assert f"{len(second)} samples have a second occluder" in caplog.text
    assert made.info["params"] == hand_set.info["params"] | {"second_prob": 0.5}
    for key in made.keys:
        is_same = {made.read(key, part) == hand_set.read(key, part) for part in ("jpg", "json")}
        assert is_same == {key not in second}
