import importlib
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from face_occlusion.releases import transfer
from tests.releases.server import serving


@pytest.fixture
def server(monkeypatch, tmp_path_factory):
    """A server on loopback that also answers what is asked of Google Drive."""
    send = requests.Session.send

    def redirected(self, request, **options):
        parts = urlsplit(request.url)
        if parts.hostname == "drive.google.com":
            name = parse_qs(parts.query).get("id", [""])[0]
            request.url = running.url(f"/drive/{name}")
        return send(self, request, **options)

    monkeypatch.setattr(requests.Session, "send", redirected)
    module = importlib.import_module("gdown.download")  # the name is a function's, too
    cookies = tmp_path_factory.mktemp("cookies") / "cookies.txt"
    monkeypatch.setattr(module, "DEFAULT_COOKIES_FILE", str(cookies))
    monkeypatch.setattr(module, "_wait_or_cancel", lambda **_: None)
    transfer._list_folder.cache_clear()
    with serving() as running:
        yield running
