"""Train RainNet from one file of images: `python -m face_occlusion.generation.harmonisation`.

For machines with a GPU that have no image sets. Needs torch, numpy, tqdm and Pillow, no more.
`face-occlusion train-rainnet --pack` writes the file of images.
"""

import argparse
import sys
from pathlib import Path

from face_occlusion.apps.rainnet.training import TrainingParams, error_table, train_rainnet
from face_occlusion.apps.rainnet.training_images import load_images


def main() -> None:
    """Parse, load, train, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", type=Path, help="file of training images (.npz)")
    parser.add_argument("out", type=Path, help="checkpoint to write; its card stands beside it")
    parser.add_argument("--width", type=int, default=64, help="64 = the published network")
    parser.add_argument("--iterations", type=int, default=6000)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--num-held-out", type=int, default=256, help="composites to measure on")
    parser.add_argument("--device", default="cuda")
    arguments = vars(parser.parse_args())
    images, out, device = (arguments.pop(name) for name in ("images", "out", "device"))
    card = train_rainnet(load_images(images), out, TrainingParams(**arguments), device)
    print(error_table(card))


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        sys.exit(1)
