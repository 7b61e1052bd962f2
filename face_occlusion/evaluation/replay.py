"""Replay a network's kernels from a CUDA graph: one call of the host instead of a thousand."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

FIRST_CALLS = 3  # of a shape that are not recorded: kernels are loaded and chosen in them
MOST_SHAPES = 32  # that are recorded: each keeps its input and its result


@dataclass(frozen=True, kw_only=True)
class _Recording:
    values: Tensor  # what it reads
    graph: torch.cuda.CUDAGraph
    result: Tensor  # what it writes


class Replay:
    """A function on the current GPU, recorded as a CUDA graph for each shape that comes often.

    Python launches a network's kernels one by one, and waits for the interpreter lock before each
    while other threads decode and count; a graph is launched at once. All graphs share one memory
    pool, so that together they take as much as the largest.

    The function, of one tensor, launches kernels without waiting for the GPU. Other tensors that it
    reads, such as weights, must keep their place in memory.
    """

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self._function = function
        self._calls: Counter[torch.Size] = Counter()
        self._recordings: dict[torch.Size, _Recording] = {}
        self._memory = torch.cuda.graph_pool_handle()

    def __call__(self, values: Tensor) -> Tensor:
        """Compute the function; its result is the caller's own."""
        shape = values.shape
        if shape not in self._recordings:
            self._calls[shape] += 1
            if self._calls[shape] <= FIRST_CALLS or len(self._recordings) == MOST_SHAPES:
                return self._function(values)
            self._recordings[shape] = self._record(values)
        recording = self._recordings[shape]
        recording.values.copy_(values)
        recording.graph.replay()
        return recording.result.clone()  # the next recording may use its memory

    def _record(self, like: Tensor) -> _Recording:
        """Record the function for tensors like one; recording computes nothing."""
        values = torch.empty_like(like)
        graph = torch.cuda.CUDAGraph()
        # Other threads pin memory and wait for copies meanwhile; only this one must not.
        with torch.cuda.graph(graph, pool=self._memory, capture_error_mode="thread_local"):
            result = self._function(values)
        return _Recording(values=values, graph=graph, result=result)
