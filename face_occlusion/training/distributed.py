"""Several processes train one run, one GPU each (`torchrun`), as a single process would.

The batch of the recipe is split among the processes. Batch norm sees the whole batch (SyncBN), and
so does the loss: hard pixels are mined over all images. Each process therefore gathers the logits
of the others and computes the loss of the whole batch; only its own images have a gradient.
Sampling depends on the position in the run alone, so that a run may even be resumed by another
number of processes.
"""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from mmengine.model import MMDistributedDataParallel
from torch import Tensor, distributed, nn
from torch.distributed.nn.functional import all_reduce

from face_occlusion.networks.segmentor import FaceSegmentor

GPUS_PER_RUN = "FACE_OCCLUSION_GPUS_PER_RUN"  # not a parameter: it decides speed, not results


@dataclass(frozen=True)
class Processes:
    """The processes that train a run, and which of them this is."""

    rank: int = 0  # number of this process
    count: int = 1  # number of processes

    @property
    def is_main(self) -> bool:
        """Whether this is rank 0, the process that writes."""
        return self.rank == 0

    @property
    def is_distributed(self) -> bool:
        """Whether several processes train the run."""
        return self.count > 1

    def share(self, batch_size: int) -> int:
        """Return how many images of a batch each process computes; ValueError if they differ."""
        if batch_size % self.count:
            needed = f"train.batch_size must be a multiple of the {self.count} processes"
            raise ValueError(f"{needed}; got {batch_size}")
        return batch_size // self.count

    def wait(self) -> None:
        """Wait until all processes have reached this point."""
        if self.is_distributed:
            distributed.barrier()

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum of a tensor over the processes, on its own device."""
        if not self.is_distributed:
            return values
        total = values.to(current_device())
        distributed.all_reduce(total)
        return total.to(values.device)

    def wrap(self, model: FaceSegmentor) -> nn.Module:
        """Return the network with gradients that are summed over the processes, or itself."""
        if not self.is_distributed:
            return model
        model.gather = gather_batch
        device = current_device()
        if device.type == "cpu":
            synchronise_batch_norm_on_cpu(model)
        devices = None if device.type == "cpu" else [device.index]
        with warnings.catch_warnings():
            # PyTorch 2.13 renames the argument, 2.11 lacks the new name.
            warnings.filterwarnings("ignore", message="`broadcast_buffers`", category=FutureWarning)
            return MMDistributedDataParallel(
                module=model.to(device), device_ids=devices, broadcast_buffers=False
            )


SINGLE_PROCESS = Processes()


def current_device() -> torch.device:
    """Return this process's GPU, or the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")


@contextmanager
def process_group() -> Iterator[Processes]:
    """Join the processes that torchrun started; without torchrun there is only this one.

    Fewer GPUs than processes are a ValueError.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield SINGLE_PROCESS
        return
    if torch.cuda.is_available():
        local_rank = int(os.environ["LOCAL_RANK"])
        if local_rank >= (gpus := torch.cuda.device_count()):
            raise ValueError(f"torchrun: --nproc-per-node must be at most the {gpus} GPUs here")
        torch.cuda.set_device(local_rank)
        distributed.init_process_group("nccl", device_id=current_device())
    else:
        distributed.init_process_group("gloo")
    yield Processes(distributed.get_rank(), count)
    # Not after an error: this would wait for processes that wait for this one, and hide the error;
    # torchrun ends them once this process has failed.
    distributed.destroy_process_group()


def restart_under_torchrun(module: str) -> None:
    """Run a module again under torchrun if the environment asks for several GPUs per run.

    The process is replaced, so that signals reach torchrun, which forwards them. The command's
    arguments are passed on. A variable that is not a positive integer is a ValueError.
    """
    asked = os.environ.get(GPUS_PER_RUN, "1")
    if not asked.isdigit() or int(asked) < 1:
        raise ValueError(f"{GPUS_PER_RUN} must be a positive integer; got {asked!r}")
    if int(asked) == 1 or "WORLD_SIZE" in os.environ:
        return
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={asked}"]
    os.execv(sys.executable, [sys.executable, *launcher, "-m", module, *sys.argv[1:]])


class _GatherBatch(torch.autograd.Function):
    """Concatenate each process's images; see `gather_batch`."""

    @staticmethod
    def forward(ctx, values: Tensor) -> Tensor:
        parts = [torch.empty_like(values) for _ in range(distributed.get_world_size())]
        distributed.all_gather(parts, values)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        num_processes = distributed.get_world_size()
        return gradient.chunk(num_processes)[distributed.get_rank()] * num_processes


def gather_batch(values: Tensor) -> Tensor:
    """Return the images of all processes, in their order in the batch: (processes * n, ...).

    Every process computes the loss of the whole batch from the result, so its own images'
    gradient is complete: nothing is exchanged backward. It is multiplied by the number of
    processes because the data-parallel wrapper takes the mean over them where the sum is due.
    """
    return _GatherBatch.apply(values.contiguous())


class _BatchNormAcrossProcesses(nn.BatchNorm2d):
    """SyncBatchNorm made of all-reduces, for the CPU, which PyTorch's does not support."""

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    momentum: float

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (N, C, H, W) by the statistics of all processes' images."""
        if not self.training:
            return super().forward(input)
        axes = (0, 2, 3)
        count = input.numel() // input.shape[1] * distributed.get_world_size()
        mean = all_reduce(input.sum(axes)) / count
        centred = input - mean[:, None, None]
        variance = all_reduce(centred.square().sum(axes)) / count
        with torch.no_grad():
            self.num_batches_tracked += 1
            unbiased = variance * count / (count - 1)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(unbiased, self.momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        return centred * scale[:, None, None] + self.bias[:, None, None]


def synchronise_batch_norm_on_cpu(model: nn.Module) -> None:
    """Replace each SyncBatchNorm layer by one that computes on the CPU, under the same name."""
    for parent in list(model.modules()):
        for name, layer in parent.named_children():
            if isinstance(layer, nn.SyncBatchNorm):
                new = _BatchNormAcrossProcesses(layer.num_features, layer.eps, layer.momentum)
                new.load_state_dict(layer.state_dict())
                setattr(parent, name, new)
