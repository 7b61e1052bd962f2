"""Recognise a web page that came instead of a file, and say what to do about it."""

from __future__ import annotations

import re
from pathlib import Path

_QUOTA = re.compile(r"too many users|quota|exceeded|had many accesses", re.IGNORECASE)
_LOGIN = re.compile(
    r"accounts\.google\.com|servicelogin|sign[ -]?in|log[ -]?in|password", re.IGNORECASE
)
_VIRUS_SCAN = re.compile(r"scan this file for viruses|download anyway", re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_HTML = re.compile(rb"\s*(<!doctype html|<html|<head|<\?xml[^>]*>\s*<!doctype html)", re.IGNORECASE)

# Endings whose files start with known bytes.
_MAGIC = {
    ".zip": (b"PK\x03\x04", b"PK\x05\x06"),
    ".7z": (b"7z\xbc\xaf\x27\x1c",),
    ".gz": (b"\x1f\x8b",),
    ".tgz": (b"\x1f\x8b",),
    ".pth": (b"PK\x03\x04", b"\x80"),
}


def explain_page(page: bytes | str) -> str:
    """Say what a web page instead of a file means, and what to do.

    Args:
        page: The page's start, or the message that a client took from it.
    """
    text = page.decode("utf-8", "replace") if isinstance(page, bytes) else page
    if _QUOTA.search(text):
        return (
            "the quota page of Google Drive instead of the file: too many have fetched it of late. "
            "Try again in a day; or open the page of the release in a browser where you are signed "
            "in, make a copy in your own Drive and download that; or give gdown your cookies "
            "(~/.cache/gdown/cookies.txt)"
        )
    if _VIRUS_SCAN.search(text):
        return (
            "the page that warns of files too large to scan instead of the file: confirm it in a "
            "browser and put the file where archives lie"
        )
    if _LOGIN.search(text):
        return (
            "a login page instead of the file: sign in with a browser, agree to the terms if "
            "asked, download it there and put it where archives lie"
        )
    title = match[1].strip() if (match := _TITLE.search(text)) else text[:80].strip()
    return f"a web page ('{title}') instead of the file: open the address in a browser to see why"


def check_content(path: Path, name: str) -> None:
    """Check that a file starts as files of its name do.

    Args:
        path: The file.
        name: Its published name, whose ending tells the kind.

    Raises:
        ValueError: If it is empty, a web page, or starts otherwise; says what to do.
    """
    with path.open("rb") as file:
        start = file.read(1 << 16)
    if not start:
        raise ValueError(f"an empty file; expected {name} as published")
    if _HTML.match(start) and not name.lower().endswith((".html", ".htm")):
        raise ValueError(f"{name} is {explain_page(start)}")
    magic = _MAGIC.get(Path(name.lower()).suffix)
    if magic and not start.startswith(magic):
        raise ValueError(f"{name} starts with {start[:8]!r}, as no {Path(name).suffix} file does")
