"""Trainings and scores end in the same bits on CPUs with AVX2, however many threads are set."""

import os

import pytest

from face_occlusion.core.stage import PORTABLE_KERNELS, choose_cpu_kernels, run_stage
from tests.any_cpu import outputs


@pytest.mark.slow
def test_models_and_scores_are_the_same_bytes_on_every_cpu_with_avx2():
    made = outputs("tests.training.any_cpu_run", ("this machine", "no AVX-512, 3 threads"))
    assert made["this machine"].count(".safetensors") == 6
    for name, printed in made.items():
        assert printed == made["this machine"], name


def test_kernels_are_those_of_the_parameters_unless_the_user_set_them(tmp_path, monkeypatch):
    for name in PORTABLE_KERNELS:
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "params.yaml"
    path.write_text("train: {cpu_kernels: fast}\nevaluate: {cpu_kernels: portable}\n")
    choose_cpu_kernels(path, "train")
    assert not PORTABLE_KERNELS.keys() & os.environ.keys()
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "SSE41")
    choose_cpu_kernels(path, "evaluate")
    assert os.environ["ATEN_CPU_CAPABILITY"] == "avx2"
    assert os.environ["ONEDNN_MAX_CPU_ISA"] == "SSE41"
    for name in PORTABLE_KERNELS:
        monkeypatch.delenv(name, raising=False)


def test_waiting_threads_leave_the_cores_to_other_jobs_unless_the_user_says_otherwise(monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY")
    run_stage(lambda: None)
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    run_stage(lambda: None)
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"
