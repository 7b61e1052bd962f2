import io
import tarfile
import zipfile
from types import SimpleNamespace

import numpy as np
import py7zr
import pytest

from face_occlusion.releases import limits as bounds
from face_occlusion.releases.archives import archive_kind, archive_stem, check_zip, unpack
from face_occlusion.releases.limits import Limits, check_member_name
from tests.releases.build import write_tar, write_zip

CONTENT = b"content of a member, long enough to be cut" * 50


@pytest.mark.parametrize(
    ("name", "kind", "stem"),
    [
        ("Hands.zip", "zip", "Hands"),
        ("dtd-r1.0.1.tar.gz", "tar", "dtd-r1.0.1"),
        ("RealOcc.7z", "7z", "RealOcc"),
        ("HandInfo.csv", None, "HandInfo.csv"),
    ],
)
def test_kind_and_stem_come_from_the_ending(name, kind, stem):
    assert archive_kind(name) == kind
    assert archive_stem(name) == stem


@pytest.mark.parametrize(
    "name", ["../x", "a/../../x", "/etc/x", "C:/x", "C:\\x", "..\\x", "\\x", "", "a\nb", "a\x00b"]
)
def test_names_that_leave_the_folder_are_refused(name):
    with pytest.raises(ValueError, match=r"some\.zip: member"):
        check_member_name("some.zip", name)


def test_plain_names_pass():
    assert check_member_name("a", "dtd/images/x.jpg") == "dtd/images/x.jpg"
    assert check_member_name("a", "dtd\\images\\x..jpg") == "dtd/images/x..jpg"


def test_whole_zip_passes_and_reports_progress(tmp_path):
    path = write_zip(tmp_path / "a.zip", {"a/x.txt": CONTENT, "a/y.txt": b"y"})
    done = []
    check_zip(path, Limits(), done.append)
    assert sum(done) == len(CONTENT) + 1


def test_zip_with_a_path_outside_is_refused(tmp_path):
    path = write_zip(tmp_path / "a.zip", {"fine.txt": b"x", "../evil.txt": b"x"})
    with pytest.raises(ValueError, match=r"a\.zip: member '\.\./evil\.txt'"):
        check_zip(path, Limits())


def test_zip_with_a_link_is_refused(tmp_path):
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(ValueError, match="'link' is a link or a device"):
        check_zip(tmp_path / "a.zip", Limits())


def test_zip_with_a_name_twice_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive, pytest.warns(UserWarning):
        archive.writestr("x", "1")
        archive.writestr("x", "2")
    with pytest.raises(ValueError, match="'x' is there twice"):
        check_zip(tmp_path / "a.zip", Limits())


def test_zip_of_another_method_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("x", CONTENT)
    with pytest.raises(ValueError, match="packed by method 12"):
        check_zip(tmp_path / "a.zip", Limits())


def test_encrypted_zip_is_refused(tmp_path):
    path = write_zip(tmp_path / "a.zip", {"x": CONTENT})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1  # central directory: general purpose flag
    path.write_bytes(data)
    with pytest.raises(ValueError, match="'x' is encrypted"):
        check_zip(path, Limits())


def test_damaged_zip_member_is_named(tmp_path):
    path = write_zip(tmp_path / "a.zip", {"fine": b"x", "bad": bytes(range(256)) * 40})
    data = bytearray(path.read_bytes())
    start = data.index(b"bad") + 20
    data[start : start + 8] = b"\xff" * 8
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"a\.zip: member 'bad' is damaged"):
        check_zip(path, Limits())


@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.99])
def test_truncated_zip_is_refused(tmp_path, keep):
    path = write_zip(tmp_path / "a.zip", {"x": CONTENT, "y": CONTENT})
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data)) if keep < 1 else keep])
    with pytest.raises(ValueError, match=r"a\.zip: not a whole zip archive"):
        check_zip(path, Limits())


LIMITS = [
    (Limits(members=1), "2 members; at most 1"),
    (Limits(total_bytes=100), "at most 100 are unpacked"),
    (Limits(free_bytes=0, ratio=2), "times its size; at most 2 times"),
]


@pytest.mark.parametrize(("limits", "message"), LIMITS)
def test_limits_hold_for_zip(tmp_path, limits, message):
    path = write_zip(tmp_path / "a.zip", {"x": bytes(10_000), "y": bytes(10_000)})
    with pytest.raises(ValueError, match=message):
        check_zip(path, limits)


@pytest.mark.parametrize(("limits", "message"), LIMITS)
@pytest.mark.parametrize("ending", ["tar.gz", "7z"])
def test_limits_hold_for_tar_and_7z(tmp_path, ending, limits, message):
    path = tmp_path / f"a.{ending}"
    members = {"x": bytes(10_000), "y": bytes(10_000)}
    if ending == "7z":
        with py7zr.SevenZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(content, name)
    else:
        write_tar(path, members)
    with pytest.raises(ValueError, match=message):
        unpack(path, tmp_path / "out", limits)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("ending", ["tar.gz", "7z"])
def test_unpack_writes_what_was_packed(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    if ending == "7z":
        with py7zr.SevenZipFile(path, "w") as archive:
            archive.writestr(CONTENT, "sub/x.txt")
    else:
        write_tar(path, {"sub/x.txt": CONTENT})
    unpack(path, tmp_path / "out", Limits())
    assert (tmp_path / "out" / "sub" / "x.txt").read_bytes() == CONTENT


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil-from-a-tar", "a/../../evil"])
def test_tar_with_a_path_outside_is_refused(tmp_path, name):
    path = write_tar(tmp_path / "a.tar.gz", {"fine": b"x", name: b"x"})
    with pytest.raises(ValueError, match=r"a\.tar\.gz: member .* outside the folder"):
        unpack(path, tmp_path / "deep" / "out", Limits())
    assert not (tmp_path / "deep" / "out").exists()
    assert not (tmp_path / "deep" / "evil").exists()


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
)
def test_tar_with_a_link_or_device_is_refused(tmp_path, kind):
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(ValueError, match="'link' is a link or a device"):
        unpack(path, tmp_path / "out", Limits())
    assert not (tmp_path / "out").exists()


def test_truncated_tar_names_the_last_member(tmp_path):
    rng_bytes = bytes((i * i * 7919 >> 3) & 255 for i in range(200_000))
    path = write_tar(tmp_path / "a.tar.gz", {"first": b"x", "second": rng_bytes})
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match=r"a\.tar\.gz: damaged or cut off after member 'second'"):
        unpack(path, tmp_path / "out", Limits())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [b"", b"<html>quota exceeded</html>" * 30])
@pytest.mark.parametrize("ending", ["tar.gz", "7z"])
def test_what_is_no_archive_is_refused(tmp_path, ending, content):
    path = tmp_path / f"a.{ending}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"a.{ending}"):
        unpack(path, tmp_path / "out", Limits())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9, 0.99])
def test_truncated_7z_is_refused(tmp_path, keep):
    path = tmp_path / "a.7z"
    with py7zr.SevenZipFile(path, "w") as archive:
        for number in range(20):
            archive.writestr(bytes((i * number) & 255 for i in range(999)), f"m{number}")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(ValueError, match=r"a\.7z"):
        unpack(path, tmp_path / "out", Limits())
    assert not (tmp_path / "out").exists()


def test_damaged_7z_is_refused(tmp_path):
    path = tmp_path / "a.7z"
    with py7zr.SevenZipFile(path, "w") as archive:
        archive.writestr(CONTENT, "x")
    data = bytearray(path.read_bytes())
    data[40] ^= 0xFF  # in the packed stream
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"a\.7z"):
        unpack(path, tmp_path / "out", Limits())
    assert not (tmp_path / "out").exists()


def test_7z_with_a_link_is_refused(tmp_path):
    (tmp_path / "target").write_text("x")
    (tmp_path / "link").symlink_to("target")
    with py7zr.SevenZipFile(tmp_path / "a.7z", "w") as archive:
        archive.write(tmp_path / "link", "link")
    with pytest.raises(ValueError, match="'link' is a link or a device"):
        unpack(tmp_path / "a.7z", tmp_path / "out", Limits())


@pytest.mark.parametrize("name", ["../evil", "/evil"])
def test_7z_with_a_path_outside_is_refused(tmp_path, monkeypatch, name):
    with monkeypatch.context() as patch:  # py7zr itself will not write such names
        patch.setattr(py7zr.py7zr, "check_archive_path", lambda arcname: True)
        with py7zr.SevenZipFile(tmp_path / "a.7z", "w") as archive:
            archive.writestr(b"x", name)
    with pytest.raises(ValueError, match=r"a\.7z"):
        unpack(tmp_path / "a.7z", tmp_path / "deep" / "out", Limits())
    assert not list((tmp_path / "deep").rglob("*evil*"))


def write_7z(path, members):
    with py7zr.SevenZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(content, name)
    return path


def refuse(path, tmp_path, message, limits=None):
    """Assert that an archive of any kind is refused and leaves nothing."""
    limits = limits or Limits()
    with pytest.raises(ValueError, match=message):
        if archive_kind(path.name) == "zip":
            check_zip(path, limits)
        else:
            unpack(path, tmp_path / "out", limits)
    assert not (tmp_path / "out").exists()


WRITERS = {"a.zip": write_zip, "a.7z": write_7z, "a.tar.gz": write_tar}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"Photo.jpg": b"1", "photo.JPG": b"2"}, r"'photo\.JPG' collides with 'Photo\.jpg'"),
        ({"caf\u00e9": b"1", "cafe\u0301": b"2"}, "on case-insensitive file systems"),
        ({"a": b"1", "a/b": b"2"}, "'a/b' lies within the file 'a'"),
        ({"a/b/c": b"1", "a/b": b"2"}, "'a/b' is a folder, too"),
        ({"./a": b"1", "a": b"2"}, "is there twice"),
    ],
)
def test_names_that_would_collide_are_refused(tmp_path, name, members, message):
    path = WRITERS[name](tmp_path / name, members)
    refuse(path, tmp_path, rf"{name}: member .*{message}")


@pytest.mark.parametrize("name", WRITERS)
def test_many_folders_are_no_clash(tmp_path, name):
    members = {f"a/{letter}/{number}": b"x" for letter in "bc" for number in range(3)}
    path = WRITERS[name](tmp_path / name, members)
    if name == "a.zip":
        check_zip(path, Limits())
    else:
        unpack(path, tmp_path / "out", Limits())
        assert len([p for p in (tmp_path / "out").rglob("*") if p.is_file()]) == 6


@pytest.mark.parametrize("link", ["inside", "../../outside", "/etc/passwd"])
@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_a_file_through_a_link_is_refused(tmp_path, kind, link):
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        folder = tarfile.TarInfo("dir")
        folder.type, folder.linkname = kind, link
        archive.addfile(folder)
        inside = tarfile.TarInfo("dir/evil")
        inside.size = 1
        archive.addfile(inside, io.BytesIO(b"x"))
    refuse(tmp_path / "a.tar.gz", tmp_path, "'dir' is a link or a device")


@pytest.mark.parametrize("kind", [0o120000, 0o020000, 0o060000, 0o010000, 0o140000])
def test_7z_members_that_are_no_files_are_refused(tmp_path, monkeypatch, kind):
    unix = 0x8000  # FILE_ATTRIBUTE_UNIX_EXTENSION: the mode is in the upper half
    make = py7zr.py7zr.SevenZipFile._make_file_info_from_name

    def make_special(bio, size, arcname):
        info = make(bio, size, arcname)
        info["attributes"] = unix | (kind | 0o644) << 16
        return info

    with monkeypatch.context() as patch:
        patch.setattr(
            py7zr.py7zr.SevenZipFile, "_make_file_info_from_name", staticmethod(make_special)
        )
        write_7z(tmp_path / "a.7z", {"special": b"/etc/passwd"})
    refuse(tmp_path / "a.7z", tmp_path, "'special' is a link or a device")


def test_a_7z_that_asks_for_much_memory_is_refused(tmp_path):
    path = write_7z(tmp_path / "a.7z", {"x": CONTENT})
    refuse(path, tmp_path, r"decoding takes [\d,]+ bytes of memory", Limits(decoder_bytes=1 << 16))


def test_a_tar_with_a_huge_header_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("x")
        info.pax_headers = {"comment": "a" * (20 << 20)}
        archive.addfile(info)
    refuse(path, tmp_path, r"a\.tar\.gz: a header of 20,9\d\d,\d\d\d bytes")


def test_a_tar_in_another_compression_is_refused(tmp_path):
    with tarfile.open(tmp_path / "a.tar.gz", "w:xz") as archive:
        archive.addfile(tarfile.TarInfo("x"))
    refuse(tmp_path / "a.tar.gz", tmp_path, r"a\.tar\.gz: damaged or cut off")


def test_what_the_disk_cannot_hold_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(bounds.shutil, "disk_usage", lambda folder: SimpleNamespace(free=1000))
    for name in ("a.7z", "a.tar.gz"):
        path = WRITERS[name](tmp_path / name, {"x": bytes(2000)})
        refuse(path, tmp_path, "unpacks to 2,000 bytes; the disk has 1,000 left")


def test_a_damaged_7z_names_the_member(tmp_path):
    noise = np.random.default_rng(0).bytes(40_000)
    members = {f"m{number}": noise[number * 10_000 :][:10_000] for number in range(4)}
    path = write_7z(tmp_path / "a.7z", members)
    data = bytearray(path.read_bytes())
    data[32 + 25_000 : 32 + 25_100] = bytes(100)
    path.write_bytes(data)
    refuse(path, tmp_path, r"a\.7z: damaged at member 'm2': its checksum differs")


def test_a_truncated_7z_says_how_much_is_missing(tmp_path):
    path = write_7z(tmp_path / "a.7z", {"x": np.random.default_rng(0).bytes(40_000)})
    whole = path.stat().st_size
    path.write_bytes(path.read_bytes()[:20_000])
    refuse(path, tmp_path, rf"20,000 of {whole:,} bytes are here")


def test_overlapping_zip_members_are_refused(tmp_path):
    """Fifield's bomb: many entries of the directory share one packed stream."""
    path = write_zip(tmp_path / "a.zip", {f"m{number}": bytes(1 << 20) for number in range(100)})
    data = bytearray(path.read_bytes())
    start = 0
    while (start := data.find(b"PK\x01\x02", start)) >= 0:
        data[start + 42 : start + 46] = bytes(4)  # every member begins at the first one's header
        start += 1
    path.write_bytes(data)
    refuse(path, tmp_path, r"a\.zip: ")


def test_a_zip_that_lies_about_sizes_is_refused(tmp_path):
    path = write_zip(tmp_path / "a.zip", {"bomb": bytes(50 << 20)})
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        place = data.index(mark) + offset
        data[place : place + 4] = (1000).to_bytes(4, "little")
    path.write_bytes(data)
    done = []
    with pytest.raises(ValueError, match=r"a\.zip: member 'bomb' is damaged"):
        check_zip(path, Limits(), done.append)
    assert sum(done) <= 1000  # no more is unpacked than was announced
