"""Differences to C-WO, or to `--base`, of finished runs, with intervals: a table and a chart.

python -m bench.replication reports/scores docs/replication.png

Any number of finished runs will do: a combination is shown for the networks that have it, next to
C-WO of the same network. With several seeds the intervals cover images and seeds.

`--choose-by` tells what choosing among the rows is worth: the best one by these benchmarks on a
random half of their images is scored on the other halves, many times; of rows that every network
has.
"""

import argparse
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from face_occlusion.core.files import read_json
from face_occlusion.evaluation.bootstrap import (
    Estimate,
    Resampled,
    estimate_sum,
    resample_weights,
)
from face_occlusion.evaluation.metrics import mean_iou

BENCHMARKS = {"realocc": "occluded", "realocc_wild": "in the wild", "wo_test": "unoccluded"}
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#333333")
NUM_RESAMPLES = 10_000
NUM_CHOICES = 400

# Each seed's (images, 4) pixel counts, by benchmark, network and combination.
Counts = Mapping[tuple[str, str, str], Sequence[np.ndarray]]
Cells = Mapping[tuple[str, str, str], Resampled]  # by benchmark, network and combination


def main() -> None:
    """Print the table and draw the chart."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("scores", type=Path, help="folder of score files")
    parser.add_argument("chart", type=Path, help="PNG to write")
    parser.add_argument(
        "--base", default="C-WO", help="combination that the others are held against"
    )
    parser.add_argument("--rows", default="*", help="combinations to show, a pattern as in a shell")
    parser.add_argument(
        "--choose-by", nargs="+", default=[], choices=list(BENCHMARKS), help="benchmarks"
    )
    args = parser.parse_args()
    files = sorted(args.scores.glob("*.json"))
    if not files:
        parser.error(f"{args.scores}: holds no score files")
    counts, num_images = read_counts(files)
    cells = resample(counts, num_images)
    models = sorted({model for _, model, _ in cells})
    rows = sorted({combination for _, _, combination in cells} - {args.base})
    rows = [row for row in rows if fnmatch(row, args.rows)]
    shown = {name: title for name, title in BENCHMARKS.items() if name in num_images}
    print(
        f"| {args.base} with | " + " | ".join(f"{m}, {t}" for t in shown.values() for m in models)
    )
    for row in [args.base, *rows]:
        texts = []
        for name in shown:
            for model in models:
                cell = cells.get((name, model, row))
                gap = difference(cells, num_images[name], name, [model], row, args.base)
                texts.append("" if cell is None else f"{100 * cell.value:.1f}{interval(gap)}")
        print(f"| {row} | " + " | ".join(texts) + " |")
    draw(args.chart, cells, num_images, models, rows, args.base)
    if args.choose_by:
        every = [(name, model) for name in shown for model in models]
        full = [row for row in [args.base, *rows] if all((*one, row) in counts for one in every)]
        if args.base not in full or not num_images.keys() >= set(args.choose_by):
            parser.error(
                f"{args.scores}: a network lacks '{args.base}', or a benchmark has no scores"
            )
        wins, gains = choose(counts, num_images, models, full, args.choose_by)
        print(f"\nbest by {' and '.join(args.choose_by)}, {NUM_CHOICES} halves")
        print("\n".join(f"{num:4} times {row}" for row, num in wins.most_common()))
        for name, values in gains.items():
            low, high = np.percentile(values, [2.5, 97.5])
            mean = np.mean(values)
            print(f"{shown[name]}, other half: {mean:+.1f} [{low:+.1f}, {high:+.1f}]")


def read_counts(files: Sequence[Path]) -> tuple[Counts, dict[str, int]]:
    """Return the counts of every run, and the number of images of each benchmark."""
    counts = defaultdict(list)
    for path in files:
        run = read_json(path, absent="no such file")
        for name, part in run["benchmarks"].items():
            if part["absent"] is None:
                images = [image[run["headline"]]["counts"] for image in part["images"]]
                counts[name, run["model"], run["combination"]].append(np.array(images, float))
    return counts, {name: len(seeds[0]) for (name, _, _), seeds in counts.items()}


def choose(
    counts: Counts,
    num_images: Mapping[str, int],
    models: Sequence[str],
    rows: Sequence[str],
    by: Sequence[str],
) -> tuple[Counter[str], dict[str, list[float]]]:
    """Choose the best row on a random half of the images of the benchmarks `by`; score the rest.

    The score is the mean of networks and seeds, and of the benchmarks `by` their sum. Returns how
    often each row was best, and by benchmark its lead over the first row, in points, on each other
    half. Every network must have every row.
    """
    rng, wins, gains = np.random.default_rng(0), Counter[str](), defaultdict(list)
    for _ in range(NUM_CHOICES):
        halves = {name: np.array_split(rng.permutation(num), 2) for name, num in num_images.items()}

        def score(row: str, name: str, half: np.ndarray) -> float:
            seeds = (seed for model in models for seed in counts[name, model, row])
            return 100 * float(np.mean([mean_iou(seed[half].sum(axis=0)) for seed in seeds]))

        scores = {row: sum(score(row, name, halves[name][0]) for name in by) for row in rows}
        best = max(rows, key=scores.__getitem__)
        wins[best] += 1
        for name, (_, rest) in halves.items():
            gains[name].append(score(best, name, rest) - score(rows[0], name, rest))
    return wins, dict(gains)


def resample(counts: Counts, num_images: Mapping[str, int]) -> Cells:
    """Return every cell's scores and resamples."""
    weights = {
        num: resample_weights(num, NUM_RESAMPLES, np.random.default_rng(1))
        for num in num_images.values()
    }
    return {
        key: Resampled(
            values=np.array([float(mean_iou(seed.sum(axis=0))) for seed in seeds]),
            resamples=np.stack([mean_iou(weights[num_images[key[0]]] @ seed) for seed in seeds]),
        )
        for key, seeds in counts.items()
    }


def difference(
    cells: Cells,
    num_images: int,
    benchmark: str,
    models: Sequence[str],
    combination: str,
    base: str,
) -> Estimate | None:
    """Estimate a combination's lead over the base, mean of some networks; None if one lacks it."""
    pairs = [(cells.get((benchmark, m, c))) for m in models for c in (combination, base)]
    if combination == base or None in pairs:
        return None
    signs = [sign / len(models) for _ in models for sign in (1, -1)]
    terms = [(sign, cell) for sign, cell in zip(signs, pairs, strict=True) if cell is not None]
    return estimate_sum(terms, num_images, 0.95, np.random.default_rng(0))


def interval(gap: Estimate | None) -> str:
    """Write a difference in points."""
    if gap is None:
        return ""
    return f" ({100 * gap.value:+.1f} [{100 * gap.low:+.1f}, {100 * gap.high:+.1f}])"


def draw(
    path: Path,
    cells: Cells,
    num_images: Mapping[str, int],
    models: Sequence[str],
    rows: Sequence[str],
    base: str,
) -> None:
    """Draw the differences of each network and of their mean, with 95 % intervals."""
    figure = Figure(figsize=(10, 0.9 + 0.42 * len(rows)))
    groups = [([model], model) for model in models]
    groups += [(list(models), "mean")] if len(models) > 1 else []
    shown = {name: title for name, title in BENCHMARKS.items() if name in num_images}
    panels = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for panel, (name, title) in zip(panels, shown.items(), strict=True):
        for place, row in enumerate(rows):
            for number, (group, label) in enumerate(groups):
                gap = difference(cells, num_images[name], name, group, row, base)
                if gap is None:
                    continue
                height = place + 0.22 * (number - (len(groups) - 1) / 2)
                bounds = [[100 * (gap.value - gap.low)], [100 * (gap.high - gap.value)]]
                panel.errorbar(
                    [100 * gap.value],
                    [height],
                    xerr=bounds,
                    fmt="o",
                    markersize=4,
                    color=COLOURS[number if label != "mean" else -1],
                    label=None if place else label,
                )
        panel.axvline(0, color="0.6", linewidth=0.8)
        panel.set_title(f"{num_images[name]} {title}", fontsize=10)
        panel.tick_params(labelsize=8)
    panels[0].set_yticks(range(len(rows)), rows, fontsize=8)
    panels[0].invert_yaxis()
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=8, loc="upper left")
    figure.supxlabel(f"mIoU, points above {base}", fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    main()
