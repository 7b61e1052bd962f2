"""Write parameters that change one thing of C-WO + NatOcc-SOT at a time: which of them helps?

python -m bench.ablations --model deeplabv3plus --seeds 3 > params.yaml  # of profile replication
python -m bench.replicate --jobs 7  # makes sets, trains, scores
python -m bench.replication reports/scores docs/ablations.png --base "C-WO + NatOcc-SOT"

`dvc repro` cannot run them: dvc.yaml lists the paper's nine combinations.
"""

import argparse
import sys
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML

PARAMS = Path("params.yaml")
HAND, OBJECT, SHAPE = "natocc_hand_sot", "natocc_object", "randocc_1"


class Ablation(NamedTuple):
    """A combination: sets as they are by name, changed ones as (name, changed values)."""

    title: str
    sets: list[str | tuple[str, dict[str, Any]]]


LARGE = {"scale_range": [0.7, 1.4], "covered_frac_range": [0.05, 0.7]}
SOFT = {"edge_sigma_frac_range": [0.0024, 0.0075], "contact_sigma_frac_range": [0.003, 0.0075]}
POSTURES = {"occluders": "hands_hgr1", "seed": 11}
HALF = {"variants": 4}
ABLATIONS = {
    "base": Ablation("C-WO + NatOcc-SOT", [HAND, OBJECT]),
    "large": Ablation("larger occluders", [(HAND, LARGE), (OBJECT, LARGE)]),
    "postures": Ablation("HGR1's hands too", [(HAND, HALF), (HAND, HALF | POSTURES), OBJECT]),
    "soft": Ablation("edges three times as soft", [(HAND, SOFT), (OBJECT, SOFT)]),
    "plain": Ablation("no harmonisation", [HAND, (OBJECT, {"harmonisation": None})]),
    "half": Ablation(
        "colour transfer on half of the hands",
        [(HAND, HALF), (HAND, HALF | {"colour_transfer": None, "seed": 11}), OBJECT],
    ),
    "shapes": Ablation("RandOcc's shapes too", [HAND, OBJECT, SHAPE]),
    "one": Ablation("1 variant", [(HAND, {"variants": 1}), (OBJECT, {"variants": 1})]),
    "many": Ablation("24 variants", [(HAND, {"variants": 24}), (OBJECT, {"variants": 24})]),
    "all": Ablation(
        "larger occluders, HGR1's hands and shapes too",
        [(HAND, LARGE), (HAND, LARGE | POSTURES), (OBJECT, LARGE), (SHAPE, LARGE)],
    ),
}


def main() -> None:
    """Print the parameters."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", nargs="+", default=["deeplabv3plus"], help="networks to train")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each")
    parser.add_argument("--only", nargs="+", default=list(ABLATIONS), choices=list(ABLATIONS))
    args = parser.parse_args()
    yaml = YAML()
    yaml.width = 4096
    params = yaml.load(PARAMS)
    params["runs"] = {}
    used: dict[str, Any] = {}
    for name in args.only:
        data = ["faces/wo"]
        for number, part in enumerate(ABLATIONS[name].sets, 1):
            if isinstance(part, str):
                key, values = part, params["generate"][part]
            else:
                key = f"{name}_{number}"
                values = {**params["generate"][part[0]], **part[1]}
            used[key] = values
            data.append(f"sets/{key}")
        title = ABLATIONS[name].title
        params["combinations"][f"a_{name}"] = {"title": title, "masks": "corrected", "data": data}
        for model in args.model:
            for seed in range(args.seeds):
                run = {"model": model, "combination": f"a_{name}", "seed": seed}
                params["runs"][f"{model}_a_{name}__seed{seed}"] = run
    params["generate"] = used
    params["combinations"] = {
        name: value for name, value in params["combinations"].items() if name.startswith("a_")
    }
    yaml.dump(params, sys.stdout)


if __name__ == "__main__":
    main()
