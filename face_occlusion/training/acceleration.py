"""Training as fast as one GPU allows: compiled parts, and the whole step as one CUDA graph.

At batch 8 the stock step waits for launches: thousands of small kernels, each started by Python.
Here `torch.compile` fuses what lies between the large products, block by block, so that the forty
equal blocks of a stage are compiled once; then augmentation, network, loss, gradient and optimiser
are recorded as one graph, which the host starts with one call. Numbers stay those of the same
step without a graph: nothing in it asks the host, and its random numbers come from the generator
that is seeded before each step.
"""

from collections.abc import Callable
from typing import Any

import torch
from mmengine.optim import OptimWrapper

# Copies many tensors with a few kernels; PyTorch has no public name for it.
from torch import Tensor, _foreach_copy_, nn  # pyright: ignore[reportPrivateImportUsage]
from torch.func import functional_call

from face_occlusion.networks.backbones import LeanMixTransformer, mix_block, run_module
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
        model.step = StepGraph(model).step


def compile_parts(model: FaceSegmentor, backend: str | Callable = "inductor") -> None:
    """Let training run compiled blocks, heads and augmentation; nothing compiles yet.

    Not the losses: the compiler recomputes them in each pass that looks for the hard pixels.
    """
    torch._dynamo.config.recompile_limit = max(PROGRAMS, torch._dynamo.config.recompile_limit)

    def compiled(function: Callable) -> Callable:
        return torch.compile(function, dynamic=False, backend=backend)

    backbone = model.backbone
    if isinstance(backbone, LeanMixTransformer):
        backbone.run_block, backbone.run_layer = compiled(mix_block), compiled(run_module)
    else:
        backbone.run_block = compiled(run_module)
    model.run_head = compiled(run_module)
    model.data_preprocessor.augment = compiled(augment_normalised)


class _Halve(torch.autograd.Function):
    """Weights in bfloat16, and their gradients in float32: all with a few kernels."""

    @staticmethod
    def forward(ctx: Any, *weights: Tensor) -> tuple[Tensor, ...]:
        halves = tuple(torch.empty_like(weight, dtype=torch.bfloat16) for weight in weights)
        _foreach_copy_(halves, weights)
        return halves

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        wide = tuple(torch.empty_like(value, dtype=torch.float32) for value in gradients)
        _foreach_copy_(wide, gradients)
        return wide


def half_weights(model: nn.Module) -> dict[str, Tensor]:
    """Return, by name, the weights that autocast would convert where they are used."""
    found = {
        f"{name}.{key}": value
        for name, module in model.named_modules()
        if not isinstance(module, nn.LayerNorm | nn.BatchNorm2d)
        for key, value in module.named_parameters(recurse=False)
    }
    return dict(zip(found, _Halve.apply(*found.values()), strict=True))


class StepGraph:
    """Training steps of a network on one GPU, recorded once and replayed.

    The first steps run without the graph, which is recorded before step `WARM_UP` + 1; every call
    is one real training step. Batches must keep their shapes. A preprocessor that paints batches
    does so in a graph of its own, while the GPU still trains on the batch before.
    """

    def __init__(self, model: FaceSegmentor) -> None:
        self._model = model
        self._painted: PaintedAhead | None = None
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
        """Copy a batch, painted if it is to be, to where the graph reads it."""
        paint = getattr(self._model.data_preprocessor, "paint_batch", None)
        if paint and self._painted is None:
            self._painted = PaintedAhead(paint)
        if self._painted:
            batch = self._painted.paint(batch)
        load(batch, self._batch)
        if self._painted:
            self._painted.taken.record()

    def _eager(self, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
        """Step without the graph, on a stream of its own, as recording asks."""
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            losses = self._compute(optimizer)
        torch.cuda.current_stream().wait_stream(self._stream)
        return losses

    def _compute(self, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
        optimizer.zero_grad(set_to_none=True)
        preprocessor = self._model.data_preprocessor
        data = getattr(preprocessor, "preprocessor", preprocessor)(self._batch, True)
        weights = half_weights(self._model) if self._model.autocast else {}
        losses = functional_call(self._model, weights, (), {**data, "mode": "loss"})
        total, losses = self._model.parse_losses(losses)
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


class PaintedAhead:
    """Paints batches on a stream of its own, each as soon as the one before it was taken.

    The host issues a step while the GPU computes the one before; painting then fills what that
    step leaves idle.
    """

    def __init__(self, paint: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> None:
        self._paint = paint
        self._stream = torch.cuda.Stream()
        self.taken = torch.cuda.Event()  # recorded where what `paint` returned was copied
        self._calls = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._batch: dict[str, Tensor] = {}
        self._painted: dict[str, Tensor] = {}

    def paint(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return a painted batch, which the current stream may read until `taken` is recorded."""
        self._stream.wait_event(self.taken)
        self._calls += 1
        if self._calls == WARM_UP + 1:
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(
                self._graph, stream=self._stream, capture_error_mode="thread_local"
            ):
                self._painted = self._paint(self._batch)
        with torch.cuda.stream(self._stream):
            load(batch, self._batch)
            if self._graph:
                self._graph.replay()
            else:
                self._painted = self._paint(self._batch)
        torch.cuda.current_stream().wait_stream(self._stream)
        return self._painted


def load(batch: dict[str, Tensor], places: dict[str, Tensor]) -> None:
    """Copy a batch to its places on the GPU, which are made for the first one."""
    if not places:
        for name, value in batch.items():
            places[name] = torch.empty_like(value, device="cuda")
    for name, value in batch.items():
        places[name].copy_(value, non_blocking=True)
