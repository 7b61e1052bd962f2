"""Generate one set: put an occluder on every face."""

import argparse
import logging
from pathlib import Path

from face_occlusion.core.imageset import ImageSet
from face_occlusion.core.parallel import EXECUTORS
from face_occlusion.core.params import load_params
from face_occlusion.core.stage import run_stage, stage_arguments
from face_occlusion.generation.generate import generate_set
from face_occlusion.generation.params import GenerateParams


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="entry of section `generate` in params.yaml")
    parser.add_argument("faces", type=Path, help="image set of faces")
    parser.add_argument("occluders", type=Path, help="image set of cut-outs or textures")
    parser.add_argument("out", type=Path, help="the new image set")
    parser.add_argument("--workers", type=int, default=0, help="processes; 0 = every core")
    parser.add_argument("--executor", choices=EXECUTORS, default="process", help="ray: a cluster")
    args = stage_arguments(parser)

    params = load_params(Path("params.yaml"), f"generate.{args.name}", GenerateParams)
    faces, occluders = ImageSet(args.faces), ImageSet(args.occluders)
    made = generate_set(faces, occluders, args.out, params, args.workers, args.executor)
    if made.absent is not None:
        logging.info("%s: empty: %s", args.out, made.absent)
        return
    covered = made.info["covered_frac"]
    logging.info(
        "%s: %d samples, %d placements repeated, %d forearms extended; "
        "covered share of the face %.1f-%.1f %%, median %.1f %%",
        args.out,
        len(made),
        made.info["redrawn"],
        made.info["arms_drawn"],
        100 * covered["min"],
        100 * covered["max"],
        100 * covered["median"],
    )
    if params.second_prob:
        number = made.info.get("second_occluders", 0)
        logging.info("%s: %d samples have a second occluder", args.out, number)


if __name__ == "__main__":
    run_stage(main)
