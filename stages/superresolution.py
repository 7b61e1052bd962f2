"""Enlarge the objects' cut-outs four times, and shrink them to the size that is wanted."""

import argparse
import logging
from pathlib import Path

from face_occlusion.core.imageset import ImageSet
from face_occlusion.core.params import load_params
from face_occlusion.core.stage import run_stage, stage_arguments
from face_occlusion.superresolution.enlarger import SuperresolutionParams, enlarge_cutouts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cutouts", type=Path, help="image set written by stages.occluders")
    parser.add_argument("out", type=Path, help="new folder for the image set")
    args = stage_arguments(parser)

    params = load_params(Path("params.yaml"), "superresolution", SuperresolutionParams)
    enlarged = enlarge_cutouts(ImageSet(args.cutouts), args.out, params)
    method = enlarged.info.get("superresolution", enlarged.absent)
    logging.info("superresolution: %d objects in %s (%s)", len(enlarged), args.out, method)


if __name__ == "__main__":
    run_stage(main)
