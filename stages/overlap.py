"""Look for photographs and people that are in training and in benchmark images."""

import argparse
import logging
from pathlib import Path

from face_occlusion.core.imageset import ImageSet
from face_occlusion.core.params import load_params
from face_occlusion.core.stage import run_stage, stage_arguments
from face_occlusion.overlap.compare import OverlapParams, find_overlap, write_overlap


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with faces/ and benchmarks/")
    parser.add_argument("out", type=Path, help="the file to write")
    args = stage_arguments(parser)

    params = load_params(Path("params.yaml"), "overlap", OverlapParams)
    benchmarks = [f"benchmarks/{name}" for name in params.benchmarks]
    overlap = find_overlap(
        {name: ImageSet(args.data / name) for name in params.training},
        {name: ImageSet(args.data / name) for name in benchmarks},
        max_bits=params.max_bits,
        num_closest=params.num_closest,
    )
    write_overlap(args.out, overlap)
    for one in overlap.comparisons:
        logging.info(
            "overlap: %s and %s: %d pairs suspected; people in both: %s",
            one.first,
            one.second,
            len(one.suspected),
            one.identities,
        )


if __name__ == "__main__":
    run_stage(main)
