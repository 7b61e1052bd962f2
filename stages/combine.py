"""List the training samples of every combination, the rows of the paper's Table 3."""

import argparse
import dataclasses
import logging
from pathlib import Path

from face_occlusion.core.combination import (
    CombinationParams,
    combine,
    difference_from_paper,
    write_combination,
)
from face_occlusion.core.params import load_params, read_section
from face_occlusion.core.stage import run_stage, stage_arguments
from face_occlusion.online.occlusion import plan_online

PARAMS = Path("params.yaml")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with faces/ and sets/")
    parser.add_argument("out", type=Path, help="new folder for one NAME.json per combination")
    args = stage_arguments(parser)

    for name in read_section(PARAMS, "combinations"):
        params = load_params(PARAMS, f"combinations.{name}", CombinationParams)
        combination = combine(name, params, args.data)
        if params.online and not combination.absent:
            online = plan_online(params.online, params.share, args.data)
            combination = dataclasses.replace(combination, online=online)
        write_combination(args.out / f"{name}.json", combination)
        photographs, generated = combination.counts
        logging.info("combine: %s: %d photographs, %d generated", name, photographs, generated)
        same_faces = read_section(PARAMS, "profile") == "paper"
        if difference := difference_from_paper(combination, same_faces=same_faces):
            logging.warning("combine: %s: %s", name, difference)
        if combination.absent:
            logging.warning("combine: %s cannot be trained on: %s", name, combination.absent)


if __name__ == "__main__":
    run_stage(main)
