"""Score one run on every benchmark: counts first, scores after."""

import argparse
import logging
from pathlib import Path

from face_occlusion.core.files import read_json
from face_occlusion.core.imageset import INDEX
from face_occlusion.core.params import load_params, read_section
from face_occlusion.core.stage import choose_cpu_kernels, run_stage, stage_arguments

PARAMS = Path("params.yaml")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="a key of `runs` in params.yaml")
    parser.add_argument("models", type=Path, help="folder of trained runs")
    parser.add_argument("benchmarks", type=Path, help="folder with one image set per benchmark")
    parser.add_argument("out", type=Path, help="folder of score files, which gets RUN.json")
    args = stage_arguments(parser)
    choose_cpu_kernels(PARAMS, "evaluate")  # before the imports below load PyTorch

    import torch

    from face_occlusion.evaluation.evaluate import EvaluateParams, evaluate_run, load_checkpoints
    from face_occlusion.evaluation.inference import NO_RUN
    from face_occlusion.evaluation.scores import RunScores, write_scores

    params = load_params(PARAMS, "evaluate", EvaluateParams)
    torch.set_num_threads(params.cpu_threads)  # decides in which order sums are taken
    folder = args.models / args.run
    networks = load_checkpoints(folder, params)
    card = read_json(folder / "card.json", NO_RUN)
    benchmarks = evaluate_run(
        networks, {name: args.benchmarks / name for name in params.benchmarks}, params
    )
    scores = RunScores(
        profile=read_section(PARAMS, "profile"),
        run=args.run,
        model=card["model"],
        combination=card["combination"]["title"],
        seed=card["seed"],
        headline=params.checkpoints[0],
        inference={
            **networks[params.checkpoints[0]].describe(tta=params.tta),
            "cpu_threads": params.cpu_threads,
        },
        benchmarks=benchmarks,
    )
    write_scores(args.out / f"{args.run}.json", scores)
    present = {index.parent.name for index in args.benchmarks.glob(f"*/{INDEX}")}
    for name in sorted(present - benchmarks.keys()):
        logging.warning(
            "evaluate: %s is not scored: not in evaluate.benchmarks", args.benchmarks / name
        )
    scored = sum(part.absent is None for part in benchmarks.values())
    logging.info("evaluate: %s on %d of %d benchmarks", args.run, scored, len(benchmarks))


if __name__ == "__main__":
    run_stage(main)
