"""Tables of a paper, generated from stored results and from nothing else."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from pmrnet.errors import InputError
from pmrnet.files import atomic_write_text
from pmrnet.protocol import Protocol
from pmrnet.results import load_result
from pmrnet.significance import compare_all
from pmrnet.significance_text import significance_csv, significance_markdown
from pmrnet.summary import summarise
from pmrnet.table_latex import latex_table
from pmrnet.table_rows import Measured, PaperRow, Row
from pmrnet.table_text import csv_table, markdown_table

__all__ = ["Row", "build_table"]


def build_table(
    protocol: Protocol,
    rows: Sequence[Row],
    results_folder: str | os.PathLike[str],
    out_folder: str | os.PathLike[str],
    paper_csv: str | os.PathLike[str] | None = None,
    name: str = "table1",
    title: str | None = None,
    resamples: int = 2000,
    seed: int = 2019,
    references: Sequence[str] = (),
) -> str:
    """Write a table as Markdown, CSV and LaTeX.

    Parameters
    ----------
    protocol : Protocol
        The protocol of all results; its groups are the columns.
    rows : sequence of Row
        The methods, in the table's order. One without a stored result is listed as not yet run.
    results_folder : path-like
        Holds a folder of results for each method.
    out_folder : path-like
        Where ``<name>.md``, ``<name>.csv`` and ``<name>.tex`` are written.
    paper_csv : path-like, optional
        Rows as printed in a paper: columns method, the groups, source, and perhaps numbers, which
        is "printed" or, where they are known no more, "lost".
    name : str
        Stem of the files.
    title : str, optional
        Heading of the table.
    resamples, seed : int
        Of the bootstrap, see `pmrnet.summary.bootstrap_interval`.
    references : sequence of str
        Methods that the others are compared with, each where it and another one are measured: the
        first in ``significance.md`` and ``significance.csv``, a further one in
        ``significance-<method>.md`` and ``.csv``.

    Returns
    -------
    str
        The Markdown text, with aligned columns so that it reads well on a terminal.

    Raises
    ------
    InputError
        If a result is damaged, incomplete, of another protocol or of other data than the others, or
        the paper's file lacks a column.

    Notes
    -----
    Nothing but the stored results and the paper's file enters, and no date, so that the files come
    out the same, bit for bit, wherever they are made.
    """
    measured: list[Measured] = []
    for row in rows:
        result = load_result(Path(results_folder) / row.method)
        summary = None if result is None else summarise(result, protocol, resamples, seed)
        measured.append((row, summary, result))
    _check_same_data(measured)
    paper = [] if paper_csv is None else _read_paper(Path(paper_csv), protocol)
    heading = title or f"Dice on {protocol.name}"
    out = Path(out_folder)
    text = markdown_table(heading, protocol, measured, paper, resamples)
    texts = {
        f"{name}.csv": csv_table(protocol, measured, paper),
        f"{name}.tex": latex_table(heading, protocol, measured, paper),
        f"{name}.md": text,
    }
    found = {row.method: (row.title, result) for row, _, result in measured if result is not None}
    for number, reference in enumerate(references):
        if reference not in found or len(found) < 2:
            continue
        stem = f"significance-{reference}" if number else "significance"
        comparisons = compare_all(found, reference, protocol, resamples, seed)
        texts[f"{stem}.csv"] = significance_csv(comparisons)
        texts[f"{stem}.md"] = significance_markdown(
            f"{heading}: significance", found[reference][0], comparisons, resamples
        )
    for file, content in texts.items():
        atomic_write_text(out / file, content)
    return text


def _check_same_data(measured: Sequence[Measured]) -> None:
    """Refuse rows whose volumes were prepared in several ways, which do not compare."""
    of_data: dict[str, str] = {}
    for row, _, result in measured:
        if result is not None:
            of_data.setdefault(result.identity.get("data_sha256"), row.method)
    if len(of_data) > 1:
        raise InputError(
            "Expected results of one preparation of the data, found that those of "
            f"{' and '.join(of_data.values())} are of different ones: evaluate with --overwrite "
            "those of the earlier one."
        )


def _read_paper(path: Path, protocol: Protocol) -> list[PaperRow]:
    try:
        frame = pd.read_csv(path, dtype={"method": str, "source": str, "numbers": str})
        rows = []
        for record in frame.to_dict("records"):
            numbers = record.get("numbers", "printed")
            if numbers not in ("printed", "lost"):
                raise ValueError(f"{numbers!r} in the column numbers")
            dice = {group: float(record[group]) for group in protocol.groups}
            if numbers == "printed" and not all(map(math.isfinite, dice.values())):
                raise ValueError(f"no number for {record['method']}")
            rows.append(PaperRow(record["method"], dice, record["source"], numbers == "lost"))
        return rows
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"Expected the columns method, {', '.join(protocol.groups)} and source in {path}, "
            f"found otherwise ({error!r}): correct the file."
        ) from error
