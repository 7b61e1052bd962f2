"""JPEG on the GPU: nvJPEG, through torchvision. On the CPU the codecs of `images`."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

import numpy as np
import torch

from face_occlusion.core.images import decode_image, encode_jpeg, jpeg


def _torchvision_io() -> ModuleType:
    try:
        from torchvision import io  # pyright: ignore[reportMissingImports]  # beside a GPU only
    except ImportError as error:
        raise ValueError(
            "device: cuda needs torchvision, built for the installed torch: pip install torchvision"
        ) from error
    return io


def decode_jpegs(
    datas: Sequence[bytes], names: Sequence[str], device: torch.device
) -> list[torch.Tensor]:
    """Decode photographs; nvJPEG decodes plain JPEGs, `decode_image` all others.

    Args:
        datas: Contents of the files.
        names: What errors call them.
        device: Where the images shall be.

    Returns:
        (3, H, W) uint8 RGB each.

    Raises:
        ValueError: If an image is damaged (names it), or the device needs torchvision.
    """
    images: list[torch.Tensor | None] = [None] * len(datas)
    if device.type == "cuda":
        plain = [row for row, data in enumerate(datas) if jpeg.is_plain(data)]
        read = [torch.from_numpy(np.frombuffer(datas[row], np.uint8).copy()) for row in plain]
        io = _torchvision_io()
        try:
            decoded = io.decode_jpeg(read, mode=io.ImageReadMode.RGB, device=device) if read else []
        except RuntimeError as error:
            raise ValueError(f"one of {', '.join(names)}: not a readable image: {error}") from error
        for row, image in zip(plain, decoded, strict=True):
            images[row] = image
    return [
        torch.from_numpy(decode_image(data, name)).to(device).permute(2, 0, 1).contiguous()
        if image is None
        else image
        for image, data, name in zip(images, datas, names, strict=True)
    ]


def encode_jpegs(images: Sequence[torch.Tensor], quality: int) -> list[bytes]:
    """Encode photographs without colour subsampling.

    Args:
        images: (3, H, W) uint8 RGB, on one device.
        quality: 1-100.
    """
    if images[0].device.type == "cuda":
        encoded = _torchvision_io().encode_jpeg(list(images), quality)
        return [one.cpu().numpy().tobytes() for one in encoded]
    arrays = [image.permute(1, 2, 0).contiguous().numpy() for image in images]
    return [encode_jpeg(array, quality) for array in arrays]
