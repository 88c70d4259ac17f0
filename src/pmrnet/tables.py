"""Tables of a paper, generated from stored results and from nothing else."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from pmrnet.errors import InputError
from pmrnet.files import atomic_write_text
from pmrnet.protocol import Protocol
from pmrnet.results import load_result
from pmrnet.summary import summarise
from pmrnet.table_text import Measured, PaperRow, Row, csv_table, markdown_table

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
) -> str:
    """Write a table as Markdown and as CSV.

    Parameters
    ----------
    protocol : Protocol
        The protocol of all results; its groups are the columns.
    rows : sequence of Row
        The methods, in the table's order. One without a stored result is listed as not yet run.
    results_folder : path-like
        Holds a folder of results for each method.
    out_folder : path-like
        Where ``<name>.md`` and ``<name>.csv`` are written.
    paper_csv : path-like, optional
        Rows as printed in a paper: columns method, the groups, source.
    name : str
        Stem of the files.
    title : str, optional
        Heading of the table.
    resamples, seed : int
        Of the bootstrap, see `pmrnet.summary.bootstrap_interval`.

    Returns
    -------
    str
        The Markdown text, with aligned columns so that it reads well on a terminal.

    Raises
    ------
    InputError
        If a result is damaged, incomplete or of another protocol, or the paper's file lacks a
        column.
    """
    measured: list[Measured] = []
    for row in rows:
        result = load_result(Path(results_folder) / row.method)
        summary = None if result is None else summarise(result, protocol, resamples, seed)
        measured.append((row, summary, result))
    paper = [] if paper_csv is None else _read_paper(Path(paper_csv), protocol)
    heading = title or f"Dice on {protocol.name}"
    text = markdown_table(heading, protocol, measured, paper, resamples)
    atomic_write_text(Path(out_folder) / f"{name}.csv", csv_table(protocol, measured, paper))
    atomic_write_text(Path(out_folder) / f"{name}.md", text)
    return text


def _read_paper(path: Path, protocol: Protocol) -> list[PaperRow]:
    try:
        frame = pd.read_csv(path, dtype={"method": str, "source": str})
        return [
            PaperRow(
                record["method"],
                {group: float(record[group]) for group in protocol.groups},
                record["source"],
            )
            for record in frame.to_dict("records")
        ]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"Expected the columns method, {', '.join(protocol.groups)} and source in {path}, "
            f"found otherwise ({error!r}): correct the file."
        ) from error
