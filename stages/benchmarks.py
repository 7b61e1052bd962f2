"""Import a benchmark, aligned where its parameters ask for it."""

import argparse
import logging
from pathlib import Path

from face_occlusion.alignment.landmarks import read_landmarks
from face_occlusion.benchmarks.benchmarks import NO_FILE, BenchmarkParams, import_benchmark
from face_occlusion.core.params import load_params
from face_occlusion.core.release import Release
from face_occlusion.core.stage import run_stage, stage_arguments


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="a key of `benchmarks` in params.yaml")
    parser.add_argument("release", type=Path, help="folder written by stages.download")
    parser.add_argument("landmarks", type=Path, help="folder of landmarks given by hand")
    parser.add_argument("out", type=Path, help="new folder for the image set")
    args = stage_arguments(parser)

    params = load_params(Path("params.yaml"), f"benchmarks.{args.name}", BenchmarkParams)
    by_hand = {} if params.by_hand == NO_FILE else read_landmarks(args.landmarks / params.by_hand)
    release = Release(args.release)
    image_set = import_benchmark(args.name, release, args.out, params, by_hand)
    if image_set.absent:
        logging.info("benchmarks: %s is absent: %s", args.name, image_set.absent)
    else:
        logging.info("benchmarks: %d images in %s", len(image_set), args.out)


if __name__ == "__main__":
    run_stage(main)
