"""Write parameters that change one thing of C-WO + NatOcc-SOT at a time: which of them helps?

python -m bench.ablations --model deeplabv3plus --seeds 3 > ablations.yaml  # of profile replication
mv ablations.yaml params.yaml
python -m bench.replicate --jobs 12 --keep  # makes sets, trains, scores
python -m bench.replication reports/scores docs/ablations.png --base "C-WO + NatOcc-SOT"

With `--add` the combinations and runs of params.yaml stay. `--larger` writes the settings of the
best network known: a larger one at 512 pixels, with what helped it. The ablations of
docs/replication.md have 500 steps: set `train.iterations` to that before the first command.
"""

import argparse
import functools
import operator
import sys
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML

from face_occlusion.generation.params import WORN

PARAMS = Path("params.yaml")
HAND, OBJECT, SHAPE = "natocc_hand_sot", "natocc_object", "randocc_1"


class Ablation(NamedTuple):
    """A combination: sets as they are by name, changed ones as (name, changed values)."""

    title: str
    sets: list[str | tuple[str, dict[str, Any]]]
    online: float | None = None  # the share of faces that occlude the sets' way while training


LARGE = {"scale_range": [0.7, 1.4], "covered_frac_range": [0.05, 0.7]}
SOFT = {"edge_sigma_frac_range": [0.0024, 0.0075], "contact_sigma_frac_range": [0.003, 0.0075]}
TWO = {"second_prob": 0.3}
POSTURES = {"occluders": "hands_hgr1", "seed": 11}
HALF = {"variants": 4}
ONCE = {"variants": 1}
GLASSES = WORN | {"occluders": "glasses", "seed": 5, "variants": 4, "harmonisation": None}
ABLATIONS = {
    "base": Ablation("C-WO + NatOcc-SOT", [HAND, OBJECT]),
    "large": Ablation("larger occluders", [(HAND, LARGE), (OBJECT, LARGE)]),
    "large_hands": Ablation("larger hands", [(HAND, LARGE), OBJECT]),
    "two": Ablation("two occluders on three faces of ten", [(HAND, TWO), (OBJECT, TWO)]),
    "postures": Ablation("HGR1's hands too", [(HAND, HALF), (HAND, HALF | POSTURES), OBJECT]),
    "soft": Ablation("edges three times as soft", [(HAND, SOFT), (OBJECT, SOFT)]),
    "plain": Ablation("no harmonisation", [HAND, (OBJECT, {"harmonisation": None})]),
    "half": Ablation(
        "colour transfer on half of the hands",
        [(HAND, HALF), (HAND, HALF | {"colour_transfer": None, "seed": 11}), OBJECT],
    ),
    "shapes": Ablation("RandOcc's shapes too", [HAND, OBJECT, SHAPE]),
    "glasses": Ablation("drawn glasses too", [HAND, OBJECT, (OBJECT, GLASSES)]),
    "worn_shapes": Ablation("glasses and shapes too", [HAND, OBJECT, (OBJECT, GLASSES), SHAPE]),
    "one": Ablation("1 variant", [(HAND, {"variants": 1}), (OBJECT, {"variants": 1})]),
    "many": Ablation("24 variants", [(HAND, {"variants": 24}), (OBJECT, {"variants": 24})]),
    "online": Ablation("occluded while training", [HAND, OBJECT], online=2 / 3),
    "half_online": Ablation("half of the faces, while training", [HAND, OBJECT], online=1 / 2),
    "all": Ablation(
        "larger occluders, HGR1's hands and shapes too",
        [(HAND, LARGE), (HAND, LARGE | POSTURES), (OBJECT, LARGE), (SHAPE, LARGE)],
    ),
    "all_online": Ablation(
        "larger occluders, HGR1's hands and shapes too, while training",
        [
            (HAND, LARGE | ONCE),
            (HAND, LARGE | POSTURES | ONCE),
            (OBJECT, LARGE | ONCE),
            (SHAPE, LARGE | ONCE),
        ],
        online=0.75,
    ),
}
# EfficientNet-Lite2 at 512 pixels: with these and glasses, best on photographs in the wild, and
# above C-WO on occluded ones (docs/replication.md).
LARGER = {
    "faces.size_px": 512,
    "benchmarks.realocc.size_px": 512,
    "benchmarks.wo_test.size_px": 512,
    "models.deeplabv3plus.backbone": "efficientnet_lite2",
    "models.deeplabv3plus.dilations": [1, 6, 12, 18],  # the feature map has 32 x 32 pixels
    "train.iterations": 2000,
    "train.input_px": 512,
    "train.eval_interval": 1000,
    "train.checkpoint_interval": 1000,
    "train.loss.ohem_min_kept": 10000,
    "train.augment.zoom_range": [0.6, 1.6],
    "train.augment.grey_prob": 0.2,
    "train.augment.shadow_prob": 0.5,
    "evaluate.tta": True,
}


def main() -> None:
    """Print the parameters."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", nargs="+", default=["deeplabv3plus"], help="networks to train")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each")
    parser.add_argument("--only", nargs="+", default=list(ABLATIONS), choices=list(ABLATIONS))
    parser.add_argument("--add", action="store_true", help="keep what params.yaml has")
    parser.add_argument("--larger", action="store_true", help="DeepLabv3+ on Lite2 at 512 pixels")
    args = parser.parse_args()
    yaml = YAML()
    yaml.width = 4096
    params = yaml.load(PARAMS)
    for path, value in LARGER.items() if args.larger else ():
        *outer, last = path.split(".")
        functools.reduce(operator.getitem, outer, params)[last] = value
    sets = params["generate"]
    used: dict[str, Any] = dict(sets) if args.add else {}
    if not args.add:
        params["runs"], params["combinations"] = {}, {}
    for name in args.only:
        data = ["faces/wo"]
        for number, part in enumerate(ABLATIONS[name].sets, 1):
            if isinstance(part, str):
                key, values = part, sets[part]
            else:
                key = f"{name}_{number}"
                values = {**sets[part[0]], **part[1]}
            used[key] = values
            data.append(f"sets/{key}")
        row: dict[str, Any] = {"title": ABLATIONS[name].title, "masks": "corrected", "data": data}
        if share := ABLATIONS[name].online:
            online = [entry.removeprefix("sets/") for entry in data[1:]]
            row |= {"data": data[:1], "online": online, "share": share}
        params["combinations"][f"a_{name}"] = row
        for model in args.model:
            for seed in range(args.seeds):
                run = {"model": model, "combination": f"a_{name}", "seed": seed}
                params["runs"][f"{model}_a_{name}__seed{seed}"] = run
    params["generate"] = used
    rows = [f"a_{name}" for name in args.only]
    if len(rows) > 1 and not args.add:  # the report then shows the last against the first
        shown = {"first": rows[-1], "second": rows[0], "combinations": rows}
        params["report"]["qualitative"].update(shown)
    yaml.dump(params, sys.stdout)


if __name__ == "__main__":
    main()
