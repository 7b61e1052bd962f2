"""Face masks of a folder of images, as a trained run predicts them."""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from face_occlusion.apps.folders import files_by_stem, read_image
from face_occlusion.apps.prediction.inputs import checkpoint_hash, run_folder
from face_occlusion.core.images import encode_png
from face_occlusion.evaluation.inference import load_model

_FROM = 0.5  # probability from which a pixel is face


def predict_masks(run: Path, images: Path, out: Path) -> str:
    """Write `out/STEM.png`, face 255 and background 0, for each image of a folder.

    Each image is seen whole, so a face should fill it. Returns the run and its checkpoint, for
    records.

    Raises:
        ValueError: If there is no such run, no image, or one is unreadable; or if no face is found
            in one: names it.
    """
    files, folder = files_by_stem(images), run_folder(run)
    segmenter = load_model(folder, "auto", "last")
    out.mkdir(parents=True)
    for stem, path in tqdm(files.items(), desc=f"find the faces in {images.name}"):
        face = segmenter.predict(read_image(path)) >= _FROM
        if not face.any():
            raise ValueError(f"{path}: {folder.name} finds no face in it; take it out of {images}")
        (out / f"{stem}.png").write_bytes(encode_png(face.astype(np.uint8) * np.uint8(255)))
    return f"predicted by {folder.resolve().name} last {checkpoint_hash(folder, 'last')[:12]}"
