"""Child processes for tests: forked from a server that has imported torch, killed at will."""

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any

import torch
from torch.multiprocessing.spawn import start_processes

from face_occlusion.training.distributed import process_group
from tests.programs import free_port

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["face_occlusion.training.run", "tests.training.children"])


def start(target: Callable[..., None], *arguments: Any) -> BaseProcess:
    """Start a child that computes with as many threads as this process."""
    child = CONTEXT.Process(target=_bounded, args=(torch.get_num_threads(), target, *arguments))
    child.start()
    return child


def _bounded(threads: int, target: Callable[..., None], *arguments: Any) -> None:
    torch.set_num_threads(threads)
    target(*arguments)


def run_together(count: int, target: Callable[..., None], *arguments: Any) -> None:
    """Run `target(processes, *arguments)` in `count` processes, as torchrun would start them."""
    given = (count, free_port(), target, *arguments)
    start_processes(_member, given, count, start_method="forkserver")  # raises what one raises


def _member(rank: int, count: int, port: int, target: Callable[..., None], *arguments: Any) -> None:
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    with process_group() as processes:
        target(processes, *arguments)
