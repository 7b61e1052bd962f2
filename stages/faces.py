"""Import CelebAMask-HQ: photographs with their original and their corrected masks."""

import argparse
import logging
from pathlib import Path

from face_occlusion.core.imageset import ImageSet
from face_occlusion.core.params import load_params
from face_occlusion.core.release import Release
from face_occlusion.core.stage import run_stage, stage_arguments
from face_occlusion.faces.corrections import MASKS
from face_occlusion.faces.faces import FacesParams, import_faces


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("release", type=Path, help="folder written by stages.download")
    parser.add_argument("corrections", type=Path, help="folder written by stages.corrections")
    parser.add_argument("out", type=Path, help="folder that takes the sets wo, wo_test and o")
    args = stage_arguments(parser)

    params = load_params(Path("params.yaml"), "faces", FacesParams)
    masks = ImageSet(args.corrections / MASKS)
    sets = import_faces(Release(args.release), masks, args.out, params)
    for name, image_set in sets.items():
        paper = image_set.info["paper_counts"][name]
        logging.info("faces: %d in %s (paper: %d)", len(image_set), args.out / name, paper)
    info = sets["wo"].info
    logging.info(
        "faces: %d of %d images in no list", info["counts"]["excluded"], info["counts"]["images"]
    )
    logging.info("faces: identities of WO train and WO test %s", info["identity_check"])


if __name__ == "__main__":
    run_stage(main)
