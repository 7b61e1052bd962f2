"""Section `download` of params.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from face_occlusion.miniature.archives import MiniatureParams
from face_occlusion.releases.gather import Shelf, SourceParams
from face_occlusion.releases.lock import LOCK
from face_occlusion.releases.transfer import Patience


@dataclass(frozen=True, kw_only=True)
class FetchParams:
    """Section `download.fetch`: how files are fetched that are not on disk."""

    parallel: int  # files at once
    attempts: int  # connections in a row that may bring nothing
    timeout_s: float  # silence of a server that ends an attempt

    def __post_init__(self) -> None:
        if self.parallel < 1:
            raise ValueError(f"parallel: must be at least 1; got {self.parallel}")
        self.patience  # noqa: B018  # checks the others

    @property
    def patience(self) -> Patience:
        """How long a server is waited for."""
        return Patience(attempts=self.attempts, timeout_s=self.timeout_s, backoff_s=1.0)


@dataclass(frozen=True, kw_only=True)
class DownloadParams:
    """Section `download` of params.yaml."""

    archives_dir: str  # where archives lie; those that can be fetched are fetched into it
    fetch: FetchParams
    miniature: MiniatureParams

    def shelf(self, profile: Mapping[str, SourceParams]) -> Shelf:
        """Return the shelf that the sources of a profile are taken from."""
        return Shelf(
            archives_dir=Path(self.archives_dir),
            lock=Path(LOCK),
            patience=self.fetch.patience,
            parallel=self.fetch.parallel,
            profile=profile,
        )
