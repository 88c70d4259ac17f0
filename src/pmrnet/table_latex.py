"""A table as LaTeX, for the package booktabs."""

from __future__ import annotations

from collections.abc import Sequence

from pmrnet.protocol import Protocol
from pmrnet.table_cells import NONE, Cell, cells_of
from pmrnet.table_rows import Measured, PaperRow, arranged

_SPECIAL = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    NONE: "--",
}


def latex_table(
    heading: str, protocol: Protocol, measured: Sequence[Measured], paper: Sequence[PaperRow]
) -> str:
    r"""LaTeX text of a table: a `tabular`, to be read by ``\input``.

    Parameters
    ----------
    heading, protocol, measured, paper
        As in `pmrnet.table_text.markdown_table`.

    Returns
    -------
    str
        Needs ``\usepackage{booktabs}``; the best measured value of a column is bold.
    """
    head, body = cells_of(protocol, arranged(measured, paper))
    lines = [
        f"% {heading}; protocol {protocol.name}, hash {protocol.hash}. Needs booktabs.",
        rf"\begin{{tabular}}{{ll{'r' * (len(head) - 2)}}}",
        r"\toprule",
        _line([Cell(text) for text in head]),
        r"\midrule",
        *map(_line, body),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[Cell]) -> str:
    return " & ".join(map(_cell, cells)) + r" \\"


def _cell(cell: Cell) -> str:
    text = escaped(cell.text)
    if not cell.best:
        return text
    # The sign between mean and deviation is mathematics, which \textbf leaves as it is.
    return rf"\textbf{{{text}}}"


def escaped(text: str) -> str:
    """Text with what LaTeX would read as commands written out."""
    return "".join(_SPECIAL.get(character, character) for character in text)
