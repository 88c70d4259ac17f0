"""The cells of a table, formatted once for every kind of file, the best ones marked."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pmrnet.protocol import Protocol
from pmrnet.results import Result
from pmrnet.summary import ALL, Statistic, Summary
from pmrnet.table_rows import Measured, PaperRow

NONE = "–"  # noqa: RUF001 (an en dash, the usual sign for "no value" in a table)
NOT_YET_RUN, LOST = "not yet run", "lost"


@dataclass(frozen=True)
class Cell:
    """Text of a cell, and whether it is the best of its column."""

    text: str
    best: bool = False


@dataclass(frozen=True)
class Column:
    """A column of numbers.

    Attributes
    ----------
    title : str
        Its head.
    value : callable
        ``value(summary, result)``, NaN where there is none.
    text : callable
        ``text(summary, result)``, the cell.
    better : {1, 0, -1}
        Whether more is better, less is, or neither.
    moving : bool
        Whether only methods that compute a deformation compete: none folds nothing.
    """

    title: str
    value: Callable[[Summary, Result], float]
    text: Callable[[Summary, Result], str]
    better: int = 0
    moving: bool = False


def number(value: float, digits: int, missing: str = NONE) -> str:
    """Format a number with this many decimals; NaN as `missing`."""
    return missing if math.isnan(value) else f"{value:.{digits}f}"


def cost_of(result: Result) -> dict[str, float]:
    """What a method costs, from its result's provenance alone.

    Parameters
    ----------
    result : Result

    Returns
    -------
    dict of str to float
        ``parameters``, training ``steps``, ``training_seconds`` and ``peak_memory_gib`` of
        registering; NaN where it is not recorded.
    """
    record = result.provenance
    known: dict[str, Any] = {"steps": record.get("steps"), **(record.get("cost") or {})}
    keys = ("parameters", "steps", "training_seconds", "peak_memory_gib")
    return {key: math.nan if known.get(key) is None else float(known[key]) for key in keys}


def columns_of(protocol: Protocol) -> list[Column]:
    """Columns of a protocol's table.

    Parameters
    ----------
    protocol : Protocol

    Returns
    -------
    list of Column
        Dice of every group and of all labels, HD95, the deformation's regularity, and the cost.
    """
    dice = [_spread(name, lambda s, n=name: s.dice[n], 3, 1) for name in [*protocol.groups, ALL]]
    return [
        *dice,
        _spread("HD95, mm", lambda s: s.hd95[ALL], 2, -1),
        _plain("Folding, %", lambda s, r: 100 * s.folding, 4, moving=True),
        _plain("in brain, %", lambda s, r: 100 * s.folding_brain, 4, moving=True),
        _plain("SDlogJ", lambda s, r: s.sdlogj, 3, moving=True),
        _plain("Seconds", lambda s, r: s.seconds, 2, 0, moving=True),
        _plain("Parameters", lambda s, r: cost_of(r)["parameters"], 0, 0),
        _plain("Steps", lambda s, r: cost_of(r)["steps"], 0, 0),
        _plain("Training, s", lambda s, r: cost_of(r)["training_seconds"], 0, 0),
        _plain("Memory, GiB", lambda s, r: cost_of(r)["peak_memory_gib"], 1, 0),
    ]


def _spread(
    title: str, statistic: Callable[[Summary], Statistic], digits: int, better: int
) -> Column:
    def text(summary: Summary, _: Result) -> str:
        mean, sd = statistic(summary).mean, statistic(summary).sd
        return NONE if math.isnan(mean) else f"{number(mean, digits)} ± {number(sd, digits)}"

    def value(summary: Summary, _: Result) -> float:
        # As shown, so that what looks alike is marked alike.
        return round(statistic(summary).mean, digits)

    return Column(title, value, text, better)


def _plain(
    title: str,
    value: Callable[[Summary, Result], float],
    digits: int,
    better: int = -1,
    moving: bool = False,
) -> Column:
    return Column(
        title,
        lambda s, r: round(value(s, r), digits),
        lambda s, r: number(value(s, r), digits),
        better,
        moving,
    )


def cells_of(
    protocol: Protocol, rows: Sequence[Measured | PaperRow]
) -> tuple[list[str], list[list[Cell]]]:
    """Head and body of a table.

    Parameters
    ----------
    protocol : Protocol
    rows : sequence
        From `pmrnet.table_rows.arranged`.

    Returns
    -------
    head : list of str
    body : list of list of Cell
        Measured cells are marked where they are the best of the measured ones, to the decimals
        shown; not where there is nothing to compare with.
    """
    columns = columns_of(protocol)
    best = [_best(column, rows) for column in columns]
    body = []
    for row in rows:
        if isinstance(row, PaperRow):
            texts = [_printed(row, column.title) for column in columns]
            body.append([Cell(row.title), Cell("paper"), *map(Cell, texts)])
            continue
        shown, summary, result = row
        if summary is None or result is None:
            body.append([Cell(shown.title), Cell(NOT_YET_RUN), *[Cell("")] * len(columns)])
            continue
        cells = [
            Cell(column.text(summary, result), _competes(column, summary) and value == top)
            for column, top in zip(columns, best, strict=True)
            for value in [column.value(summary, result)]
        ]
        body.append([Cell(shown.title), Cell("measured"), *cells])
    return ["Method", "Source", *(column.title for column in columns)], body


def _printed(row: PaperRow, column: str) -> str:
    if row.lost:
        return LOST if column in row.dice else NONE
    return number(row.dice.get(column, math.nan), 3)


def _competes(column: Column, summary: Summary) -> bool:
    return column.better != 0 and not (column.moving and math.isnan(summary.seconds))


def _best(column: Column, rows: Sequence[Measured | PaperRow]) -> float:
    """Best value of a column; NaN, which equals none, where there is nothing to compare."""
    values = [
        column.value(row[1], row[2])
        for row in rows
        if not isinstance(row, PaperRow) and row[1] is not None and _competes(column, row[1])
    ]
    values = [value for value in values if not math.isnan(value)]
    if len(values) < 2:
        return math.nan
    return max(values) if column.better > 0 else min(values)
