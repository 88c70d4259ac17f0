"""Markdown tables whose columns are aligned, so that they read well on a terminal too."""

from __future__ import annotations

from collections.abc import Sequence


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown text of a table.

    Parameters
    ----------
    header : sequence of str
    rows : sequence of sequence of str
        Each as long as the header.

    Returns
    -------
    str
        Lines of one length, without a line end after the last.
    """
    lines = [list(header), *map(list, rows)]
    widths = [max(3, *map(len, column)) for column in zip(*lines, strict=True)]
    rule = [["-" * width for width in widths]]
    return "\n".join(
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |"
        for line in [*lines[:1], *rule, *lines[1:]]
    )
