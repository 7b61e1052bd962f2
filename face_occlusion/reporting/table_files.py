"""A table and its files: Markdown, LaTeX and CSV.

What differs between the first two is only how a cell's text is written. The CSV holds the same
numbers for programs, one row per cell or line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

PROSE = 60  # characters; a LaTeX column with longer cells breaks its lines
PROSE_WIDTH = "6cm"


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of one number of the paper.

    Attributes:
        name: File name without extension, `table4`.
        caption: One sentence or two.
        wide: What a reader sees: column headings to cells of text, `**bold**` for bold.
        long: What a program reads: one row per cell or line, plain values.
        notes: Lines printed below the Markdown, such as why cells are empty.
    """

    name: str
    caption: str
    wide: pd.DataFrame
    long: pd.DataFrame
    notes: list[str]


def write_table(folder: Path, table: Table) -> None:
    """Write NAME.md, NAME.tex and NAME.csv into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{table.name}.md").write_text(markdown(table))
    (folder / f"{table.name}.tex").write_text(latex(table))
    table.long.to_csv(folder / f"{table.name}.csv", index=False, lineterminator="\n")


def markdown(table: Table) -> str:
    """Write a table as Markdown, its caption above and its notes below."""
    # disable_numparse: tabulate would read "96.50" as a number and print 96.5
    body = table.wide.to_markdown(index=False, disable_numparse=True)
    notes = "".join(f"- {note}\n" for note in table.notes)
    return f"{table.caption}\n\n{body}\n" + (f"\n{notes}" if notes else "")


def latex(table: Table) -> str:
    r"""Write a table as LaTeX for `\input`; needs booktabs and graphicx, and no other package."""
    escaped = table.wide.map(_latex_text).rename(columns=_latex_text)
    columns = "".join(_latex_column(cells) for _, cells in table.wide.items())
    body = escaped.to_latex(index=False, escape=False, column_format=columns)
    caption = _latex_text(" ".join([table.caption, *table.notes]))
    return (
        "\\begin{table*}\n\\centering\n"
        f"\\caption{{{caption}}}\n\\label{{tab:{table.name}}}\n"
        f"\\resizebox{{\\textwidth}}{{!}}{{%\n{body}}}\n\\end{{table*}}\n"
    )


def _latex_column(cells: pd.Series) -> str:
    longest = max((len(str(cell)) for cell in cells), default=0)
    return f"p{{{PROSE_WIDTH}}}" if longest > PROSE else "l"


_MINUS = re.compile(r"(?<![\w.)])-(?=\d)")  # of a number; not in C-CM or 5-46
_LATEX = str.maketrans(
    {
        "&": r"\&",
        "%": r"\%",
        "_": r"\_",
        "#": r"\#",
        "$": r"\$",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "\\": r"\textbackslash{}",
        "<": "$<$",  # a question mark upside down in LaTeX's default encoding
        ">": "$>$",
        "–": "--",
        "−": "$-$",
        "·": r"$\cdot$",
        "°": r"$^\circ$",
        "≤": r"$\le$",
        "≥": r"$\ge$",
        "“": "``",
        "”": "''",
    }
)


def _latex_text(value: object) -> str:
    """Escape a cell's text and turn `**bold**` into LaTeX's."""
    pieces = _MINUS.sub("−", str(value)).translate(_LATEX).split("**")
    return "".join(
        rf"\textbf{{{piece}}}" if index % 2 else piece for index, piece in enumerate(pieces)
    )
