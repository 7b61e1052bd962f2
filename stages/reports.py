"""Compare every cell with the paper's; draw figures and the page."""

import argparse
import logging
from pathlib import Path

from face_occlusion.core.params import load_params, read_section
from face_occlusion.core.stage import run_stage, stage_arguments
from face_occlusion.reporting.inputs import ReportParams, Sections, gather
from face_occlusion.reporting.report import write_report

PARAMS = Path("params.yaml")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scores", type=Path, help="folder of score files")
    parser.add_argument("models", type=Path, help="folder of trained runs")
    parser.add_argument("data", type=Path, help="folder of image sets")
    parser.add_argument("overlap", type=Path, help="file written by stages.overlap")
    parser.add_argument("others", type=Path, help="folder of other networks' score files")
    parser.add_argument("out", type=Path, help="folder for tables, figures and the page")
    args = stage_arguments(parser)

    sections = Sections(
        profile=read_section(PARAMS, "profile"),
        report=load_params(PARAMS, "report", ReportParams),
        runs=read_section(PARAMS, "runs"),
        combinations=read_section(PARAMS, "combinations"),
        models=read_section(PARAMS, "models"),
    )
    inputs = gather(sections, args.scores, args.models, args.data, args.overlap, args.others)
    write_report(inputs, args.out)
    logging.info("report: %d runs, %s", len(sections.runs), args.out / "index.html")


if __name__ == "__main__":
    run_stage(main)
