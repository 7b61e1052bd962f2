"""Cut hands or objects out of their photographs, collect textures, or draw glasses."""

import argparse
import logging
from pathlib import Path

from face_occlusion.core.params import load_params
from face_occlusion.core.release import Release
from face_occlusion.core.stage import run_stage, stage_arguments
from face_occlusion.occluders import KINDS, OccludersParams, import_occluders


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=sorted(KINDS))
    parser.add_argument("release", type=Path, help="folder written by stages.download")
    parser.add_argument("out", type=Path, help="new folder for the image set")
    args = stage_arguments(parser)

    params = load_params(Path("params.yaml"), "occluders", OccludersParams)
    image_set = import_occluders(args.kind, Release(args.release), args.out, params)
    logging.info("occluders: %d %s in %s", len(image_set), args.kind, args.out)


if __name__ == "__main__":
    run_stage(main)
