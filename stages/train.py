"""Train one run of Table 4.

Several GPUs for one run: `torchrun --nproc-per-node=2 -m stages.train ...`, or, for `dvc repro`,
the environment variable FACE_OCCLUSION_GPUS_PER_RUN=2.
"""

import argparse
import logging
from importlib import import_module
from pathlib import Path
from typing import Any

from face_occlusion.core.combination import read_combination
from face_occlusion.core.params import load_params
from face_occlusion.core.stage import choose_cpu_kernels, run_stage, stage_arguments

PARAMS = Path("params.yaml")
SCRATCH = Path(".scratch/train")


def open_online(job: Any, data: Path, folder: Path) -> Any:
    """Open what a run occludes its faces with.

    The module is found by name, because DVC watches what is imported: only runs that occlude are
    to be trained again when the generator changes, and their combination holds its hash.
    """
    import torch

    return import_module("face_occlusion.online.occlusion").open_online(
        job.combination.online,
        data,
        folder,
        side_px=job.train.input_px,
        seed=job.train.seed,
        on_gpu=torch.cuda.is_available(),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="name of the run in params.yaml")
    parser.add_argument("combinations", type=Path, help="folder written by stages.combine")
    parser.add_argument("data", type=Path, help="folder of the image sets")
    parser.add_argument("out", type=Path, help="folder of trained runs, which gets another")
    args = stage_arguments(parser)
    choose_cpu_kernels(PARAMS, "train")  # before the imports below load PyTorch

    from face_occlusion.training.architectures import ARCHITECTURES
    from face_occlusion.training.distributed import process_group, restart_under_torchrun
    from face_occlusion.training.loop import Job
    from face_occlusion.training.run import train_run
    from face_occlusion.training.settings import RunParams, TrainParams

    restart_under_torchrun("stages.train")

    run = load_params(PARAMS, f"runs.{args.run}", RunParams)
    job = Job(
        run=args.run,
        model=run.model,
        model_params=load_params(PARAMS, f"models.{run.model}", ARCHITECTURES[run.model]),
        combination=read_combination(args.combinations / f"{run.combination}.json"),
        train=run.seeded(load_params(PARAMS, "train", TrainParams)),
    )
    with process_group() as processes:
        if not processes.is_main:
            logging.getLogger().setLevel(logging.WARNING)
        train_run(job, args.data, args.out / args.run, SCRATCH, processes, open_online)
    logging.info("train: %s after %d iterations", args.run, job.train.iterations)


if __name__ == "__main__":
    run_stage(main)
