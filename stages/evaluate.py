"""Score one run on every benchmark: counts first, scores after."""

import argparse
import logging
from pathlib import Path

from face_occlusion.core.params import load_params, read_section
from face_occlusion.core.stage import choose_cpu_kernels, run_stage

PARAMS = Path("params.yaml")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="a key of `runs` in params.yaml")
    parser.add_argument("model", type=Path, help="folder of the trained run")
    parser.add_argument("benchmarks", type=Path, help="folder with one image set per benchmark")
    parser.add_argument("out", type=Path, help="the score file to write")
    args = parser.parse_args()
    choose_cpu_kernels(PARAMS, "evaluate")  # before the imports below load PyTorch

    from face_occlusion.evaluation.evaluate import (
        EvaluateParams,
        evaluate_run,
        load_checkpoints,
        read_card,
    )
    from face_occlusion.evaluation.scores import RunScores, write_scores
    from face_occlusion.networks.devices import set_cpu_threads

    params = load_params(PARAMS, "evaluate", EvaluateParams)
    run = read_section(PARAMS, f"runs.{args.run}")
    set_cpu_threads(params.cpu_threads)
    networks = load_checkpoints(args.model, params)
    benchmarks = evaluate_run(
        networks, {name: args.benchmarks / name for name in params.benchmarks}, params
    )
    card = read_card(args.model)
    scores = RunScores(
        profile=read_section(PARAMS, "profile"),
        run=args.run,
        model=run["model"],
        combination=card["combination"]["title"],
        seed=card["seed"],
        headline=params.checkpoints[0],
        inference=networks[params.checkpoints[0]].describe(tta=params.tta),
        benchmarks=benchmarks,
    )
    write_scores(args.out, scores)
    scored = sum(part.absent is None for part in benchmarks.values())
    logging.info("evaluate: %s on %d of %d benchmarks", args.run, scored, len(benchmarks))


if __name__ == "__main__":
    run_stage(main)
