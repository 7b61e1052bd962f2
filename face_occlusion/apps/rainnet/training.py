"""Train RainNet on composites, and measure its colour errors on held-out ones."""

import json
import math
import platform
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from face_occlusion.apps.rainnet.composites import Composites, CompositeSource, TrainingImages
from face_occlusion.core.files import atomic_write
from face_occlusion.core.params import Checked, Count, Positive
from face_occlusion.generation.harmonisation import statistics
from face_occlusion.generation.harmonisation.rainnet import RainNet, check_side, save_rainnet

HELD_OUT_SEED = 1
MIN_AREA_PX = 100  # smaller foregrounds weigh less (Sofiiuk et al. 2021, "foreground-normalised")
GRADIENT_NORM = 1.0
LOG_POINTS = 100
BEST_STRENGTHS = {"mkl": 0.75, "reinhard": 0.5}  # measured by bench.generation_quality


@dataclass(frozen=True, kw_only=True)
class TrainingParams(Checked):
    """How RainNet is trained."""

    width: Count  # channels after the first convolution; 64 in the published network
    iterations: Count
    batch_size: Count
    learning_rate: Positive  # AdamW's, falling to 0 along a cosine
    seed: int
    num_held_out: Count  # composites in the evaluation


def train_rainnet(
    images: TrainingImages, out: Path, params: TrainingParams, device: str | torch.device
) -> dict[str, Any]:
    """Train a generator, write its checkpoint `out` and its card, JSON next to it; return the card.

    The checkpoint is a state dict compatible with the published one. The card has settings, counts,
    seconds, losses, and errors on composites of what `TrainingImages.split` holds out. Too few
    images, a side that is not a multiple of 256 pixels, or `out` without .pth, is a ValueError.
    """
    if out.suffix != ".pth" or out.is_dir():
        raise ValueError(f"--out must be a file that ends in .pth; got {out}")
    check_side(images.side_px, images.side_px)
    training, held_out = images.split()
    torch.manual_seed(params.seed)
    network = RainNet(params.width)
    initialise(network)
    network.to(device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in its stubs
    source = CompositeSource(training, params.seed, device)
    start = time.perf_counter()
    losses = optimise(network, source, params)
    seconds = time.perf_counter() - start
    network.eval()
    card = {
        "network": "RainNet generator",
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "settings": asdict(params),
        "side_px": images.side_px,
        "training": {"faces": len(training.faces), "cutouts": len(training.cutouts)},
        "held_out": {"faces": len(held_out.faces), "cutouts": len(held_out.cutouts)},
        "seconds": round(seconds, 1),
        "device": torch.cuda.get_device_name(device) if "cuda" in str(device) else str(device),
        "versions": {"python": platform.python_version()}
        | {package.__name__: package.__version__ for package in (torch, np)},
        "losses": losses,
        "errors": evaluate(network, held_out, params.num_held_out, device),
    }
    save_rainnet(network, out)
    atomic_write(out.with_suffix(".json"), json.dumps(card, indent=2, allow_nan=False) + "\n")
    return card


def initialise(network: RainNet) -> None:
    """Initialise weights as published: convolutions from N(0, 0.02), biases 0."""
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            torch.nn.init.normal_(module.weight, 0.0, 0.02)
            if module.bias is not None:
                torch.nn.init.zeros_(module.bias)


def optimise(
    network: RainNet, source: CompositeSource, params: TrainingParams
) -> list[tuple[int, float]]:
    """Train a network in place; return about a hundred (iteration, mean loss since the last).

    A loss that is no longer finite is a ValueError.
    """
    optimiser = torch.optim.AdamW(network.parameters(), lr=params.learning_rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, params.iterations)
    every = max(1, params.iterations // LOG_POINTS)
    recent = torch.zeros((), device=source.device)
    losses = []
    network.train()
    progress = tqdm(range(1, params.iterations + 1), desc="RainNet", unit="step")
    for iteration in progress:
        batch = source.sample(params.batch_size)
        loss = foreground_loss(network(batch.image, batch.mask), batch)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), GRADIENT_NORM)
        optimiser.step()
        schedule.step()
        recent += loss.detach()
        if iteration % every == 0:
            mean = recent.item() / every
            if not math.isfinite(mean):
                raise ValueError(
                    f"learning_rate: the loss is {mean} at iteration {iteration}; "
                    f"got {params.learning_rate}, lower it"
                )
            losses.append((iteration, round(mean, 5)))
            progress.set_postfix(loss=f"{mean:.4f}")
            recent.zero_()
    return losses


def foreground_loss(output: torch.Tensor, batch: Composites) -> torch.Tensor:
    """Return the mean absolute error within the foreground, averaged over composites; in [0, 1].

    Composites with under 100 foreground pixels weigh less. `output` is that of the network,
    (B, 3, S, S) in [-1, 1].
    """
    error = ((output - batch.target).abs() * batch.mask).mean(dim=1).sum(dim=(1, 2)) / 2
    area = batch.mask.sum(dim=(1, 2, 3)).clamp(min=MIN_AREA_PX)
    return (error / area).mean()


@torch.inference_mode()
def evaluate(
    network: RainNet, images: TrainingImages, num_composites: int, device: str | torch.device
) -> dict[str, dict[str, float]]:
    """Measure colour errors on composites of held-out images, the same for every network.

    Returns, for the unchanged input, MKL and Reinhard at their best strengths, and RainNet: `mse`
    over all pixels and `fmse` over the foreground, in squared levels of 255, averaged over
    composites (as in iHarmony4).
    """
    source = CompositeSource(images, HELD_OUT_SEED, device)
    errors: dict[str, list[torch.Tensor]] = defaultdict(list)
    for first in range(0, num_composites, 16):
        batch = source.sample(min(16, num_composites - first))
        outputs = {
            "input": batch.image,
            "mkl": by_statistics(batch, statistics.mkl, BEST_STRENGTHS["mkl"]),
            "reinhard": by_statistics(batch, statistics.reinhard, BEST_STRENGTHS["reinhard"]),
            "rainnet": network.composite(batch.image, batch.mask),
        }
        for name, output in outputs.items():
            errors[name].append(colour_errors(output, batch))
    means = {name: torch.cat(values).mean(dim=0).tolist() for name, values in errors.items()}
    return {name: {"mse": round(m, 2), "fmse": round(f, 2)} for name, (m, f) in means.items()}


def colour_errors(output: torch.Tensor, batch: Composites) -> torch.Tensor:
    """Return (B', 2): mean squared error over the image and over the foreground, in levels².

    Composites whose foreground is empty are left out.
    """
    squared = ((output - batch.target) * 127.5).square().mean(dim=1, keepdim=True)
    area = batch.mask.sum(dim=(1, 2, 3))
    inside = (squared * batch.mask).sum(dim=(1, 2, 3)) / area.clamp(min=1)
    return torch.stack([squared.mean(dim=(1, 2, 3)), inside], dim=1)[area > 0]


def by_statistics(batch: Composites, move: statistics.Move, strength: float) -> torch.Tensor:
    """Harmonise a batch with colour statistics, by a share of their change; (B, 3, S, S)."""
    output = batch.image.clone()
    for i, mask in enumerate(batch.mask[:, 0] > 0):
        pixels = ((batch.image[i] + 1) * 127.5).permute(1, 2, 0).double().cpu().numpy()
        inside = mask.cpu().numpy()
        affine = statistics.affine_change(move, pixels, inside, ~inside)
        if affine is not None:
            change = strength * (pixels[inside] @ affine[:, :3].T + affine[:, 3])
            output[i][:, mask] += torch.from_numpy(change.T / 127.5).to(output)
    return output.clamp(-1, 1)


def error_table(card: dict[str, Any]) -> str:
    """Return the errors of a card as a table of text."""
    head = f"{'':10}{'MSE':>10}{'fMSE':>10}   held-out composites, levels of 255 squared"
    rows = (f"{name:10}{e['mse']:10.2f}{e['fmse']:10.2f}" for name, e in card["errors"].items())
    return "\n".join([head, *rows])
