"""Import the corrected masks of CelebAMask-HQ, with the user's corrections, and report changes."""

import argparse
import json
import logging
from pathlib import Path

from face_occlusion.core.params import load_params
from face_occlusion.core.release import Release
from face_occlusion.core.stage import run_stage, stage_arguments
from face_occlusion.faces.correction import CorrectionsParams
from face_occlusion.faces.corrections import CHANGES, import_corrections, read_corrections


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("release", type=Path, help="folder written by stages.download")
    parser.add_argument("out", type=Path, help="new folder for the masks and the report")
    args = stage_arguments(parser)

    params = load_params(Path("params.yaml"), "corrections", CorrectionsParams)
    corrections = read_corrections(Path(params.folder), params)
    masks = import_corrections(Release(args.release), args.out, params, corrections)
    logging.info(
        "corrections: %d masks in %s, %d of them with a correction from %s",
        *(len(masks), args.out, len(corrections), params.folder),
    )
    for subset, changes in json.loads((args.out / CHANGES).read_text())["subsets"].items():
        logging.info("corrections: %s: %s", subset, changes)


if __name__ == "__main__":
    run_stage(main)
