"""What an archive of any kind may hold: bounds, and names that neither collide nor escape."""

import shutil
import unicodedata
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What an archive may hold; beyond it, it is refused.

    The largest release, CelebAMask-HQ, has about 430,000 members; the largest file, COCO's
    train2017, 19 GB; the tightest, COCO's annotations, unpacks to about 4 times its size.
    """

    members: int = 1_000_000
    total_bytes: int = 64 << 30
    ratio: float = 100.0  # unpacked / packed
    free_bytes: int = 64 << 20  # total size up to which the ratio is not asked for
    decoder_bytes: int = 1 << 30  # memory of a 7z decoder; 7-Zip's strongest preset takes 2^28
    header_bytes: int = 1 << 24  # longest header of a tar member


def check_member_name(archive: str, name: str) -> str:
    """Return a member's name, with "/" as separator, if it stays inside the archive's folder.

    An empty or absolute one, one with a drive, `..` or a control character is a ValueError.
    """
    plain = name.replace("\\", "/")
    parts = PurePosixPath(plain).parts
    escapes = not parts or plain.startswith("/") or ".." in parts or ":" in parts[0]
    if escapes or any(ord(char) < 32 for char in plain):
        raise ValueError(f"{archive}: member {name!r} would be written outside the folder; refused")
    return str(PurePosixPath(*parts))


class Names:
    """The names that an archive's members take."""

    def __init__(self, archive: Path) -> None:
        self._archive = archive
        self._files: dict[str, str] = {}
        self._folders: set[str] = set()

    def claim(self, name: str, *, folder: bool) -> None:
        """Claim a name for a member.

        It is refused if it is taken, also where only the case of letters or the coding of accents
        differs (on some file systems one file would replace the other), or lies within a file.
        """
        key = unicodedata.normalize("NFC", name).casefold()
        where = f"{self._archive}: member {name!r}"
        if other := self._files.get(key):
            same = f"collides with {other!r} on case-insensitive file systems"
            raise ValueError(f"{where} {'occurs twice' if other == name else same}; refused")
        if not folder:
            if key in self._folders:
                raise ValueError(f"{where} is both a file and a folder; refused")
            self._files[key] = name
            key = key.rpartition("/")[0]
        while key and key not in self._folders:
            if key in self._files:
                raise ValueError(f"{where} lies within the file {self._files[key]!r}; refused")
            self._folders.add(key)
            key = key.rpartition("/")[0]


def check_limits(archive: Path, members: int, total: int, limits: Limits) -> None:
    """Refuse an archive with too many members, too much content or too high a ratio."""
    if members > limits.members:
        raise ValueError(f"{archive}: {members:,} members; at most {limits.members:,} are unpacked")
    if total > limits.total_bytes:
        most = f"at most {limits.total_bytes:,} are unpacked"
        raise ValueError(f"{archive}: unpacks to {total:,} bytes; {most}")
    packed = max(archive.stat().st_size, 1)
    if total > limits.free_bytes and total / packed > limits.ratio:
        most = f"at most {limits.ratio:g} times is unpacked"
        raise ValueError(f"{archive}: unpacks to {total / packed:.0f} times its size; {most}")


def check_disk(path: Path, folder: Path, total: int) -> None:
    """Refuse an archive that unpacks to more than the disk of `folder` has left."""
    free = shutil.disk_usage(folder).free
    if total > free:
        raise ValueError(f"{path}: unpacks to {total:,} bytes; the disk has {free:,} left")
