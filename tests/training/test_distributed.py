"""Two processes on the CPU (gloo) train what one trains."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from face_occlusion.core.combination import write_combination
from face_occlusion.core.imageset import ImageSet
from face_occlusion.evaluation.inference import load_model
from face_occlusion.networks import segmentor
from face_occlusion.networks.loss import ohem_loss
from face_occlusion.training import distributed
from face_occlusion.training.dataset import positions
from face_occlusion.training.distributed import Processes, process_group
from face_occlusion.training.loop import SelectionSet
from face_occlusion.training.run import train_run
from tests.programs import call
from tests.tiny import write_params
from tests.training.children import run_together
from tests.training.conftest import MODELS, TRAIN, combination, job, machine_log, random_network

LOSS = {"thresh": 0.7, "min_kept": 90, "divide_by": "kept"}


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Return images (4, 3, 6, 5) and seg_maps (4, 6, 5); the hard pixels are uneven."""
    rng = np.random.default_rng(3)
    images = torch.tensor(rng.normal(0, 1, (4, 3, 6, 5)), dtype=torch.float32)
    images[:2] *= 5
    seg_maps = torch.tensor(rng.choice([0, 1, 255], (4, 6, 5), p=[0.5, 0.4, 0.1]).astype(np.uint8))
    return images, seg_maps


def network(norm: type[nn.Module]) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), norm(8), nn.ReLU(), nn.Conv2d(8, 1, 1))


def step_together(processes: Processes, out: Path) -> None:
    """Compute loss, gradients and statistics of `batch`, half of it in each process."""
    model = network(nn.SyncBatchNorm)
    distributed.synchronise_batch_norm_on_cpu(model)
    wrapped = nn.parallel.DistributedDataParallel(model, broadcast_buffers=False)
    own = slice(2 * processes.rank, 2 * processes.rank + 2)
    images, seg_maps = (part[own] for part in batch())
    logits = distributed.gather_batch(wrapped(images))
    loss = ohem_loss(logits, distributed.gather_batch(seg_maps), **LOSS)
    loss.backward()
    gradients = [value.grad for value in model.parameters()]
    torch.save([loss.detach(), gradients, model.state_dict()], out / f"{processes.rank}.pt")


def test_loss_gradients_and_statistics_are_those_of_one_process(tmp_path: Path):
    run_together(2, step_together, tmp_path)
    model = network(nn.BatchNorm2d)
    images, seg_maps = batch()
    expected = ohem_loss(model(images), seg_maps, **LOSS)
    expected.backward()
    for rank in range(2):
        loss, gradients, state = torch.load(tmp_path / f"{rank}.pt")
        torch.testing.assert_close(loss, expected.detach())
        for got, value in zip(gradients, model.parameters(), strict=True):
            torch.testing.assert_close(got, value.grad)
        torch.testing.assert_close(state, model.state_dict())


@pytest.mark.parametrize("count", [1, 2, 4])
def test_each_batch_has_the_same_samples_however_many_processes_share_it(count: int):
    samplers = [positions(4, Processes(rank, count), 3) for rank in range(count)]
    batches = [[next(own) for own in samplers for _ in range(4 // count)] for _ in range(2)]
    assert batches == [[12, 13, 14, 15], [16, 17, 18, 19]]


def test_processes_that_do_not_fit_are_refused(data: Path, tmp_path: Path, monkeypatch):
    with pytest.raises(ValueError, match=r"batch_size must be a multiple of the 3 .*; got 4"):
        train_run(job("pspnet", "faces/wo"), data, tmp_path / "o", tmp_path, Processes(0, 3))
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match="must be at most the 1 GPUs"), process_group():
        pass
    monkeypatch.setenv(distributed.GPUS_PER_RUN, "two")
    with pytest.raises(ValueError, match="must be a positive integer; got 'two'"):
        distributed.restart_under_torchrun("stages.train")


def test_a_process_that_fails_does_not_wait_for_the_others(monkeypatch):
    waited = []
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr("torch.distributed.init_process_group", lambda *_, **__: None)
    monkeypatch.setattr("torch.distributed.get_rank", lambda: 0)
    monkeypatch.setattr("torch.distributed.destroy_process_group", lambda: waited.append(1))
    with pytest.raises(ValueError, match="seen at once"), process_group():
        raise ValueError("seen at once")
    assert not waited
    with process_group():
        pass
    assert waited


def without_dropout(module: nn.Module, values: torch.Tensor) -> torch.Tensor:
    return values


def train_together(processes: Processes, model: str, data: Path, folder: Path) -> None:
    nn.Dropout2d.forward = without_dropout  # each process drops other values than one alone
    MODELS["segformer"]["drop_path_rate"] = 0.0
    made = job(model, "faces/wo", "faces/o")
    train_run(made, data, folder / "out", folder / "scratch", processes)


def curve(run: Path, name: str) -> np.ndarray:
    table = pd.read_csv(run / "dvclive" / "plots" / "metrics" / f"{name}.tsv", sep="\t")
    return table[name].to_numpy()


@pytest.mark.parametrize("model", ["pspnet", "segformer"])
def test_two_processes_have_the_curves_of_one(data, tmp_path, monkeypatch, model):
    monkeypatch.setattr(nn.Dropout2d, "forward", without_dropout)
    monkeypatch.setitem(MODELS["segformer"], "drop_path_rate", 0.0)
    one, two = tmp_path / "one", tmp_path / "two"
    train_run(job(model, "faces/wo", "faces/o"), data, one / "out", one / "scratch")
    run_together(2, train_together, model, data, two)
    for name in ("loss", "lr"):
        np.testing.assert_allclose(curve(two / "out", name), curve(one / "out", name), rtol=1e-3)
    scores = [curve(folder / "out", "realocc_miou") for folder in (one, two)]
    np.testing.assert_allclose(*scores, atol=0.02)
    assert [path.name for path in (two / "scratch" / "run").iterdir()] == ["log"]


def score(processes: Processes, data: Path, out: Path) -> None:
    """Write a random network's mIoU on RealOcc."""
    benchmark = ImageSet(data / "benchmarks" / "realocc")
    miou = SelectionSet(benchmark, 32, processes).miou(random_network("segformer", seed=1), 2)
    (out / f"{processes.rank} of {processes.count}").write_text(str(miou))


def test_each_process_scores_its_part_and_knows_the_whole(data: Path, tmp_path: Path):
    run_together(2, score, data, tmp_path)
    score(distributed.SINGLE_PROCESS, data, tmp_path)
    alone, *both = (float((tmp_path / name).read_text()) for name in ("0 of 1", "0 of 2", "1 of 2"))
    assert 0.1 < alone < 0.9 and both == pytest.approx([alone] * 2, abs=1e-9)


@pytest.mark.slow
def test_the_stage_starts_two_processes_and_takes_up_what_one_left(data, tmp_path, monkeypatch):
    out, scratch = tmp_path / "models" / "pspnet_c", tmp_path / ".scratch" / "train"
    calls = []

    def counted(*args, **kwargs):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return ohem_loss(*args, **kwargs)

    monkeypatch.setattr(segmentor, "ohem_loss", counted)
    with pytest.raises(KeyboardInterrupt):
        train_run(job("pspnet", "faces/wo", run="pspnet_c"), data, out, scratch)

    write_combination(tmp_path / "c.json", combination(data, "faces/wo"))
    runs = {"pspnet_c": {"model": "pspnet", "combination": "c"}}
    write_params(tmp_path / "params.yaml", {"train": TRAIN, "models": MODELS, "runs": runs})
    settings = {distributed.GPUS_PER_RUN: "2", "CUDA_VISIBLE_DEVICES": ""}
    command = ["python", "-m", "stages.train", "pspnet_c", ".", str(data), "models"]
    printed = call(tmp_path, *command, **settings)
    assert json.loads((out / "card.json").read_text())["device"] == "2 x cpu"
    assert machine_log(scratch, "pspnet_c")["resumed_at"] == [2]
    assert len(curve(out, "loss")) == 6
    assert printed.count("trains on") == 1  # one process speaks
    image = np.zeros((30, 40, 3), np.uint8)
    assert np.isfinite(load_model(out).predict(image)).all()  # by one process again
