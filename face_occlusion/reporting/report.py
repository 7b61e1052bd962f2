"""Write a report: tables, figures, plots, metrics and the page."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from face_occlusion.reporting import page
from face_occlusion.reporting.build import Material, all_tables, metrics, replace_children
from face_occlusion.reporting.catalogue import catalogue, draw_figures
from face_occlusion.reporting.contents import page_context
from face_occlusion.reporting.data_files import write_data, write_plots
from face_occlusion.reporting.table_files import write_table


def write_report(material: Material, out: Path) -> None:
    """Write every file of the report into a folder, aside first; same input, same bytes.

    Args:
        material: What the report is made of.
        out: Gets `tables/`, `data/`, `figures/`, `plots/`, `metrics.json` and `index.html`;
            other files in it are left alone.
    """
    partial = out / "report.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        built = all_tables(material)
        for table in built.values():
            write_table(partial / "tables", table)
        (partial / "metrics.json").write_text(json.dumps(metrics(material), indent=2) + "\n")
        write_plots(material.grid, built, partial / "plots")
        write_data(material.grid, material.breakdown, partial / "data")
        entries, folder = catalogue(material), partial / "figures"
        dpi = material.sections.report.figures.dpi
        absent = draw_figures(entries, folder, dpi)
        gallery = page.gallery(entries, absent, folder, dpi)
        (partial / "index.html").write_text(page.render(page_context(material, built, gallery)))
        replace_children(partial, out)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
