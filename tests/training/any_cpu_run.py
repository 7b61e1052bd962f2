"""Train and score one tiny run of each architecture; print the hash of every file of it.

Run as a program by test_any_cpu.py, under settings that make this machine compute like others.
"""

import tempfile
from dataclasses import asdict
from pathlib import Path

from face_occlusion.core.combination import write_combination
from face_occlusion.core.files import file_sha256
from face_occlusion.core.stage import choose_cpu_kernels

SMALL = {"output_stride": 16, "pretrained": "imagenet", "norm_eval": True}  # as small profiles do


def main(folder: Path) -> None:
    """Run the stages train and evaluate in a folder."""
    (folder / "params.yaml").write_text("train: {cpu_kernels: portable}\n")
    choose_cpu_kernels(folder / "params.yaml", "train")  # before the imports below load PyTorch

    from stages import evaluate, train
    from tests.evaluation.conftest import PARAMS
    from tests.tiny import run_stage, write_params
    from tests.training.conftest import LITE, MODELS, TRAIN, combination, drawn_data

    settings = TRAIN | {"num_threads": 2, "iterations": 2, "eval_interval": 2}
    data = drawn_data()
    write_combination(folder / "c.json", combination(data, "faces/wo", "faces/o"))
    models = MODELS | {"deeplabv3plus": MODELS["deeplabv3plus"] | LITE | SMALL}
    runs = {f"{model}_c": {"model": model, "combination": "c"} for model in models}
    scored = asdict(PARAMS) | {"num_threads": 1, "cpu_threads": 2}
    params = {"train": settings, "models": models, "runs": runs, "evaluate": scored}
    write_params(folder / "params.yaml", params | {"profile": "test"})
    train.PARAMS = evaluate.PARAMS = folder / "params.yaml"
    train.SCRATCH = folder / "scratch"
    for run in runs:
        out, score = folder / "models" / run, folder / f"{run}.json"
        run_stage("train", run, str(folder), str(data), str(out.parent))
        run_stage("evaluate", run, str(out.parent), str(data / "benchmarks"), str(folder))
        for path in (*sorted(out.rglob("*")), score):
            if path.is_file():
                print(file_sha256(path), path.relative_to(folder))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        main(Path(scratch))
