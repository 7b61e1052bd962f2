"""Check a release's archives and lay them out as published (or draw its miniature)."""

from __future__ import annotations

import argparse
import logging
from dataclasses import dataclass
from pathlib import Path

from face_occlusion.params import load_params
from face_occlusion.sources.fetch import SourceParams, fetch_release
from face_occlusion.sources.miniature import MiniatureParams, draw_release
from stages import run_stage


@dataclass(frozen=True, kw_only=True)
class DownloadParams:
    """Section `download` of params.yaml."""

    archives_dir: str  # where archives lie that were fetched by hand
    miniature: MiniatureParams


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", help="a key of `sources` in params.yaml")
    parser.add_argument("out", type=Path, help="new folder for the release")
    args = parser.parse_args()

    path = Path("params.yaml")
    params = load_params(path, "download", DownloadParams)
    release = fetch_release(
        args.source,
        args.out,
        load_params(path, f"sources.{args.source}", SourceParams),
        archives_dir=Path(params.archives_dir),
        draw_miniature=lambda source, folder: draw_release(source, folder, params.miniature),
    )
    if release.absent:
        logging.info("download: %s is absent: %s", args.source, release.absent)
    else:
        logging.info("download: %d files in %s", len(release.names()), args.out)


if __name__ == "__main__":
    run_stage(main)
