"""Hostile, damaged and oversized archives of every kind are refused and leave nothing behind."""

import errno
import io
import tarfile
import zipfile
from types import SimpleNamespace

import numpy as np
import py7zr
import pytest

from face_occlusion.releases import archives
from face_occlusion.releases.archives import Limits, check_member_name, check_zip, unpack
from tests.conftest import small_files
from tests.releases.build import write_7z, write_tar, write_zip
from tests.tables import refuses, rows

CONTENT = b"content of a member, long enough to be cut" * 50
NOISE = np.random.default_rng(0).bytes(40_000)
MEMBERS = {f"m{number}": NOISE[number * 10_000 :][:10_000] for number in range(4)}
WRITERS = {"a.zip": write_zip, "a.7z": write_7z, "a.tar.gz": write_tar}
every_kind = pytest.mark.parametrize("name", WRITERS)


def take(path, limits=None):
    """Check a zip archive, or unpack another kind; return the number of files unpacked."""
    if path.suffix == ".zip":
        return check_zip(path, limits or Limits())
    out = path.parent / "deep" / "out"
    unpack(path, out, limits or Limits())
    return sum(found.is_file() for found in out.rglob("*"))


def refuse(path, message, limits=None):
    """Assert that an archive is refused and leaves nothing."""
    refuses(message, take, path, limits)
    assert not (path.parent / "deep" / "out").exists()
    assert not list(path.parent.rglob("*evil*"))


def overwrite(path, *changes):
    """Overwrite bytes of a file: (offset, new bytes)."""
    data = bytearray(path.read_bytes())
    for offset, new in changes:
        data[offset : offset + len(new)] = new
    path.write_bytes(data)


# Names


def test_names_that_leave_the_folder_are_refused():
    for name in rows(__file__, "outside"):
        refuses(r"some\.zip: member", check_member_name, "some.zip", name)
    assert check_member_name("a", "dtd\\images\\x..jpg") == "dtd/images/x..jpg"


@every_kind
@pytest.mark.parametrize("member", ["../evil", "/tmp/evil-from-an-archive", "a/../../evil"])
def test_a_path_outside_is_refused(tmp_path, monkeypatch, name, member):
    with monkeypatch.context() as patch:  # py7zr itself will not write such names
        patch.setattr("py7zr.py7zr.check_archive_path", lambda arcname: True)
        path = WRITERS[name](tmp_path / name, {"fine": b"x", member: b"x"})
    refuse(path, name if name == "a.7z" else f"{name}: member '{member}' would be written outside")


@every_kind
@pytest.mark.parametrize(("members", "message"), rows(__file__, "colliding"))
def test_names_that_would_collide_are_refused(tmp_path, name, members, message):
    contents = {member: bytes([number]) for number, member in enumerate(members)}
    refuse(WRITERS[name](tmp_path / name, contents), rf"{name}: member .*{message}")


# Whole archives, and their limits


@every_kind
@pytest.mark.parametrize(("limits", "message"), rows(__file__, "limits"))
def test_limits_hold(tmp_path, name, limits, message):
    path = WRITERS[name](tmp_path / name, {"x": bytes(10_000), "y": bytes(10_000)})
    refuse(path, message, Limits(**limits))
    assert take(path) in (2, None)


def test_what_memory_or_disk_cannot_hold_is_refused(tmp_path, monkeypatch):
    members = {"x": bytes(2000)}
    path = write_7z(tmp_path / "a.7z", members)
    refuse(path, r"decoding takes [\d,]+ bytes of memory", Limits(decoder_bytes=1 << 16))
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda folder: SimpleNamespace(free=1000))
    for one in (path, write_tar(tmp_path / "a.tar.gz", members)):
        refuse(one, "unpacks to 2,000 bytes; the disk has 1,000 left")


# Damage


@every_kind
@pytest.mark.parametrize("keep", [0, 0.001, 0.1, 0.5, 0.9, 0.99])
def test_a_truncated_archive_is_refused(tmp_path, name, keep):
    path = WRITERS[name](tmp_path / name, MEMBERS)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole))])
    said = {
        "a.zip": "not a whole zip archive",
        "a.tar.gz": "damaged or cut off after member '(none|m[0-3])'",
        "a.7z": rf"[\d,]+ of {len(whole):,} bytes are here" if keep > 0.001 else "not a whole 7z",
    }
    refuse(path, f"{name}: .*{said[name]}")


def test_a_damaged_member_is_named(tmp_path):
    zipped, packed = write_zip(tmp_path / "a.zip", MEMBERS), write_7z(tmp_path / "a.7z", MEMBERS)
    for path, said in ((zipped, "member 'm2' is damaged"), (packed, "damaged at member 'm2': its")):
        overwrite(path, (25_000, bytes(100)))
        refuse(path, f"{path.name}: {said}")
    path = write_7z(tmp_path / "b.7z", {"x": CONTENT})
    overwrite(path, (40, b"\xff\xff"))  # in the packed stream
    refuse(path, r"b\.7z: damaged or cut off at member 'x'")
    with tarfile.open(tmp_path / "a.tar.gz", "w:xz") as archive:  # another compression
        archive.addfile(tarfile.TarInfo("x"))
    refuse(tmp_path / "a.tar.gz", r"a\.tar\.gz: damaged or cut off")


# Forgeries


@pytest.mark.parametrize("mode", [0o120000, 0o020000, 0o060000, 0o010000, 0o140000])
def test_links_devices_and_sockets_are_refused(tmp_path, monkeypatch, mode):
    special = zipfile.ZipInfo("special")
    special.external_attr = mode << 16
    write_zip(tmp_path / "a.zip", {special: b"/etc/passwd"})
    make = py7zr.SevenZipFile._make_file_info_from_name

    def make_special(bio, size, arcname):  # 0x8000: the mode is in the upper half
        return {**make(bio, size, arcname), "attributes": 0x8000 | (mode | 0o644) << 16}

    with monkeypatch.context() as patch:
        patch.setattr(py7zr.SevenZipFile, "_make_file_info_from_name", staticmethod(make_special))
        write_7z(tmp_path / "a.7z", {"special": b"/etc/passwd"})
    for name in ("a.zip", "a.7z"):
        refuse(tmp_path / name, "'special' is a link or a device")


@pytest.mark.parametrize("link", ["inside", "../../outside", "/etc/passwd"])
@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
)
def test_a_tar_with_a_file_through_a_link_is_refused(tmp_path, kind, link):
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        folder = tarfile.TarInfo("dir")
        folder.type, folder.linkname = kind, link
        archive.addfile(folder)
        inside = tarfile.TarInfo("dir/evil")
        inside.size = 1
        archive.addfile(inside, io.BytesIO(b"x"))
    refuse(tmp_path / "a.tar.gz", "'dir' is a link or a device")


def test_a_tar_with_a_huge_header_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("x")
        info.pax_headers = {"comment": "a" * (20 << 20)}
        archive.addfile(info)
    refuse(path, r"a\.tar\.gz: a header of 20,9\d\d,\d\d\d bytes")


def test_zips_of_other_methods_or_encrypted_or_with_a_name_twice_are_refused(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("x", CONTENT)
    refuse(path, "packed by method 12")
    write_zip(path, {"x": CONTENT})
    overwrite(path, (path.read_bytes().index(b"PK\x01\x02") + 8, b"\x01"))  # general purpose flag
    refuse(path, "'x' is encrypted")
    with zipfile.ZipFile(path, "w") as archive, pytest.warns(UserWarning):
        archive.writestr("x", "1")
        archive.writestr("x", "2")
    refuse(path, "'x' occurs twice")


def test_overlapping_zip_members_are_refused(tmp_path):
    """Fifield's bomb: many entries of the directory share one packed stream."""
    path = write_zip(tmp_path / "a.zip", {f"m{number}": bytes(1 << 20) for number in range(100)})
    pieces = path.read_bytes().split(b"PK\x01\x02")  # the directory's entries follow each mark
    forged = [piece[:38] + bytes(4) + piece[42:] for piece in pieces[1:]]  # all begin at the first
    path.write_bytes(b"PK\x01\x02".join([pieces[0], *forged]))
    refuse(path, r"a\.zip: ")


def test_a_zip_that_lies_about_sizes_is_refused(tmp_path):
    path = write_zip(tmp_path / "a.zip", {"bomb": bytes(50 << 20)})
    data, size = path.read_bytes(), (1000).to_bytes(4, "little")
    overwrite(path, (data.index(b"PK\x01\x02") + 24, size), (data.index(b"PK\x03\x04") + 22, size))
    done = []
    refuses(r"a\.zip: member 'bomb' is damaged", check_zip, path, Limits(), done.append)
    assert sum(done) <= 1000  # no more is unpacked than was announced


@pytest.mark.parametrize("name", ["a.7z", "a.tar.gz"])
def test_a_disk_that_refuses_is_not_taken_for_a_damaged_archive(tmp_path, name):
    path = WRITERS[name](tmp_path / name, MEMBERS)
    too_large = pytest.raises(OSError, match=r"File too large: .*deep/out")
    with small_files(5000), too_large as caught:  # half of a member
        take(path)
    assert caught.value.errno == errno.EFBIG
    assert not (tmp_path / "deep" / "out").exists()
