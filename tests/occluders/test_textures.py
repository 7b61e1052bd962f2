import pytest

from face_occlusion.core.images import encode_jpeg
from face_occlusion.core.release import Release
from face_occlusion.occluders import KINDS, import_occluders
from tests.occluders.imports import PARAMS, run
from tests.releases.build import make_release, photo

DOTTED = "dtd-r1.0.1/dtd/images/dotted/dotted_0001.jpg"
FILES = {
    DOTTED: encode_jpeg(photo(50, 80), 90),
    "dtd-r1.0.1/dtd/images/banded/banded_0002.jpg": encode_jpeg(photo(30, 20), 90),
    "dtd-r1.0.1/dtd/labels/train1.txt": b"x",
}


def test_textures_take_a_shorter_side_and_keep_their_aspect(tmp_path):
    textures = run(tmp_path, "textures", "dtd", FILES)
    assert textures.keys == ["banded_0002", "dotted_0001"]
    assert textures.image("dotted_0001").shape == (40, 64, 3)
    assert textures.image("banded_0002").shape == (60, 40, 3)
    assert textures.record("banded_0002")["category"] == "banded"
    assert textures.info["kind"] == "textures"


def test_zero_keeps_the_releases_bytes(tmp_path):
    textures = run(tmp_path, "textures", "dtd", FILES, size_px=0)
    assert textures.read("dotted_0001", "jpg") in FILES.values()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (FILES | {DOTTED.replace("01.", "09."): b"\xff\xd8\xff"}, r"dotted_0009\.jpg"),
        ({"dtd-r1.0.1/dtd/labels/train1.txt": b"x"}, r"expected files like .*found dtd-r1"),
    ],
)
def test_bad_textures_are_named(tmp_path, files, message):
    with pytest.raises(ValueError, match=message):
        run(tmp_path, "textures", "dtd", files)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("kind", "stored"), KINDS.items())
def test_an_absent_release_gives_an_empty_set_that_says_so(tmp_path, kind, stored):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "release.json").write_text('{"source": "dtd", "absent": "not here"}')
    empty = import_occluders(kind, Release(tmp_path / "raw"), tmp_path / kind, PARAMS)
    assert len(empty) == 0
    assert empty.absent == "not here"
    assert empty.info["kind"] == stored


def test_unknown_kinds_are_named(tmp_path):
    release = make_release(tmp_path / "raw", "dtd", FILES)
    with pytest.raises(ValueError, match=r"must be one of hands, .*, textures; got 'hats'"):
        import_occluders("hats", release, tmp_path / "hats", PARAMS)
