"""Fetch a release, check it and lay it out as published (or draw its miniature)."""

import argparse
import logging
from pathlib import Path

from face_occlusion.core.params import load_params, read_section
from face_occlusion.core.stage import run_stage, stage_arguments
from face_occlusion.miniature import draw_release
from face_occlusion.releases.fetch import SourceParams, fetch_release
from face_occlusion.releases.gather import DownloadParams


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", help="a key of `sources` in params.yaml")
    parser.add_argument("out", type=Path, help="new folder for the release")
    args = stage_arguments(parser)

    path = Path("params.yaml")
    params = load_params(path, "download", DownloadParams)
    profile = {
        name: load_params(path, f"sources.{name}", SourceParams)
        for name in read_section(path, "sources")
    }
    if args.source not in profile:
        raise ValueError(f"{path}: sources has no '{args.source}'; known: {', '.join(profile)}")
    release = fetch_release(
        args.source,
        args.out,
        profile[args.source],
        archives=params.archive_dir(profile),
        draw_miniature=lambda source, folder: draw_release(source, folder, params.miniature),
    )
    if release.absent:
        logging.info("download: %s is absent: %s", args.source, release.absent)
    else:
        logging.info("download: %d files in %s", len(release.names), args.out)


if __name__ == "__main__":
    run_stage(main)
