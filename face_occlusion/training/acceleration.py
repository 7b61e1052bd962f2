"""Training as fast as one GPU allows: compiled parts, and the whole step as one CUDA graph.

At batch 8 the stock step waits for launches: thousands of small kernels, each started by Python.
Here `torch.compile` fuses what lies between the large products, block by block, so that the forty
equal blocks of a stage are compiled once; then augmentation, network, loss, gradient and optimiser
are recorded as one graph, which the host starts with one call. Numbers stay those of the same
step without a graph: nothing in it asks the host, and its random numbers come from the generator
that is seeded before each step.
"""

from collections.abc import Callable

import torch
from mmengine.optim import OptimWrapper
from torch import Tensor

from face_occlusion.networks.backbones import mix_block, run_module
from face_occlusion.networks.segmentor import FaceSegmentor
from face_occlusion.training.augmentation import augment_normalised

WARM_UP = 3  # steps before the recording: kernels are compiled and chosen, states made
PROGRAMS = 64  # most programs of one function: blocks that differ in shape, training or not


def set_up(model: FaceSegmentor, *, precision: str, accelerated: bool) -> None:
    """Prepare a network that lies on its device for training; on the CPU it only augments.

    `bf16` as `precision` computes products in bfloat16 (autocast); weights stay float32.
    `accelerated` says whether to compile and to record the step.
    """
    model.data_preprocessor.augment = augment_normalised
    if next(model.parameters()).device.type != "cuda":
        return
    model.autocast = precision == "bf16"
    model.to(memory_format=torch.channels_last)
    torch.backends.cudnn.benchmark = True
    # Its gradient is NaN now and then where a row's scores are low and the number of keys leaves
    # 64 on division by 128, as SegFormer's 64 keys at 256 pixels (pytorch issue 196678).
    torch.backends.cuda.enable_cudnn_sdp(False)
    if accelerated:
        compile_parts(model)
        model.stepper = StepGraph(model)


def compile_parts(model: FaceSegmentor, backend: str | Callable = "inductor") -> None:
    """Let training run compiled blocks, heads and augmentation; nothing compiles yet.

    Not the losses: the compiler recomputes them in each pass that looks for the hard pixels.
    """
    torch._dynamo.config.recompile_limit = max(PROGRAMS, torch._dynamo.config.recompile_limit)

    def compiled(function: Callable) -> Callable:
        return torch.compile(function, dynamic=False, backend=backend)

    blocks = mix_block if model.backbone.run_block is mix_block else run_module
    model.backbone.run_block = compiled(blocks)
    model.run_head = compiled(run_module)
    model.data_preprocessor.augment = compiled(augment_normalised)


class StepGraph:
    """Training steps of a network on one GPU, recorded once and replayed.

    The first steps run without the graph, which is recorded before step `WARM_UP` + 1; every call
    is one real training step. Batches must keep their shapes.
    """

    def __init__(self, model: FaceSegmentor) -> None:
        self._model = model
        self._stream = torch.cuda.Stream()
        self._steps = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._batch: dict[str, Tensor] = {}
        self._rates: list[Tensor] = []
        self._losses: dict[str, Tensor] = {}

    def step(self, batch: dict[str, Tensor], wrapper: OptimWrapper) -> dict[str, Tensor]:
        """Train on a batch, as `BatchPreprocessor` takes it; pinned memory is not waited for.

        Returns the losses by name, scalars on the GPU.
        """
        self._load(batch)
        self._steps += 1
        if self._steps <= WARM_UP:
            return self._eager(wrapper.optimizer)
        graph = self._graph or self._record(wrapper.optimizer)
        for rate, group in zip(self._rates, wrapper.optimizer.param_groups, strict=True):
            rate.fill_(group["lr"])
        graph.replay()
        return {name: loss.clone() for name, loss in self._losses.items()}

    def _load(self, batch: dict[str, Tensor]) -> None:
        """Copy a batch to where the graph reads it."""
        if not self._batch:
            self._batch = {name: value.cuda() for name, value in batch.items()}
        for name, value in batch.items():
            self._batch[name].copy_(value, non_blocking=True)

    def _eager(self, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
        """Step without the graph, on a stream of its own, as recording asks."""
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            losses = self._compute(optimizer)
        torch.cuda.current_stream().wait_stream(self._stream)
        return losses

    def _compute(self, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
        optimizer.zero_grad(set_to_none=True)
        data = self._model.data_preprocessor(self._batch, True)
        total, losses = self._model.parse_losses(self._model(**data, mode="loss"))
        total.backward()
        optimizer.step()
        return {name: loss.detach() for name, loss in losses.items()}

    def _record(self, optimizer: torch.optim.Optimizer) -> torch.cuda.CUDAGraph:
        """Record one step; recording computes nothing."""
        optimizer.zero_grad(set_to_none=True)  # gradients will lie in the graph's own memory
        rates = [group["lr"] for group in optimizer.param_groups]
        self._rates = [torch.tensor(float(rate), device="cuda") for rate in rates]
        for group, rate in zip(optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate
            if "capturable" in group:
                group["capturable"] = True
        graph = torch.cuda.CUDAGraph()
        # Other threads pin memory meanwhile; only this one must not.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            self._losses = self._compute(optimizer)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        self._graph = graph
        return graph
