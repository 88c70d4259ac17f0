"""The text of a table, as Markdown and as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

from pmrnet.protocol import Protocol
from pmrnet.results import Result
from pmrnet.summary import ALL, Summary

_DEFORMATION = ("Folding, %", "in brain, %", "SDlogJ", "Seconds")
_NONE = "–"  # noqa: RUF001 (an en dash, the usual sign for "no value" in a table)


@dataclass(frozen=True)
class Row:
    """A method's row.

    Attributes
    ----------
    method : str
        Name of the method's folder of results.
    title : str
        What the table calls it.
    command : str
        The command that makes the result, shown while there is none.
    """

    method: str
    title: str
    command: str


@dataclass(frozen=True)
class PaperRow:
    """A row as printed in a paper: its title, its Dice by group, and where it is printed."""

    title: str
    dice: dict[str, float]
    source: str


Measured = tuple[Row, Summary | None, Result | None]


def _columns(protocol: Protocol) -> list[str]:
    return [*protocol.groups, ALL]


def markdown_table(
    heading: str,
    protocol: Protocol,
    measured: Sequence[Measured],
    paper: Sequence[PaperRow],
    resamples: int,
) -> str:
    """Markdown text of a table: means, confidence intervals, and where the numbers come from.

    Parameters
    ----------
    heading : str
        Heading of the text.
    protocol : Protocol
        The protocol of all results.
    measured : sequence of (Row, Summary or None, Result or None)
        None for a method without a stored result.
    paper : sequence of PaperRow
        Printed rows.
    resamples : int
        Of the bootstrap, for the text.

    Returns
    -------
    str
        Columns are aligned, so that it reads well on a terminal too.
    """
    columns = _columns(protocol)
    means, intervals = [], []
    for row, summary, _ in measured:
        if summary is None:
            blank = [""] * (len(columns) + len(_DEFORMATION))
            means.append([row.title, "not yet run", *blank])
            continue
        dice = [summary.dice[column] for column in columns]
        means.append(
            [
                row.title,
                "measured",
                *(f"{_number(s.mean, 3)} ± {_number(s.sd, 3)}" for s in dice),
                _number(100 * summary.folding, 4),
                _number(100 * summary.folding_brain, 4),
                _number(summary.sdlogj, 3),
                _number(summary.seconds, 2),
            ]
        )
        spans = (f"{_number(s.low, 3)} to {_number(s.high, 3)}" for s in dice)
        intervals.append([row.title, *spans])
    for row in paper:
        printed = [_number(row.dice[group], 3) for group in protocol.groups]
        means.append([row.title, "paper", *printed, *[_NONE] * (1 + len(_DEFORMATION))])

    count = len(protocol.pairs("test"))
    parts = [
        f"# {heading}",
        f"Protocol {protocol.name}, hash {protocol.hash}: {count} ordered pairs of "
        f"{len(protocol.test)} test subjects, {len(protocol.labels)} labels. Dice of every label, "
        "then mean over the group's labels, then mean ± standard deviation over pairs.",
        _aligned(["Method", "Source", *columns, *_DEFORMATION], means),
    ]
    missing = [row for row, summary, _ in measured if summary is None]
    if missing:
        parts.append("\n".join(f"- {row.title} not yet run: `{row.command}`" for row in missing))
    if intervals:
        parts += [
            f"95 % confidence intervals of the mean (bootstrap over test subjects, {resamples} "
            "resamples):",
            _aligned(["Method", *columns], intervals),
        ]
    parts.append(
        "Folding: share of voxels of the network grid whose Jacobian determinant is not positive, "
        "on the whole grid and within the fixed brain; SDlogJ: standard deviation of the "
        "determinant's logarithm; seconds: median time of one registration."
    )
    provenance = [_provenance_line(row, result) for row, _, result in measured if result]
    if provenance:
        parts.append("\n".join(["Measured:", "", *provenance]))
    if paper:
        parts.append(
            "Paper: printed numbers, made with the paper's own preparation of the data, so that "
            "levels compare less well than gains do:\n\n"
            + "\n".join(f"- {row.title}: {row.source}" for row in paper)
        )
    return "\n\n".join(parts) + "\n"


def _provenance_line(row: Row, result: Result) -> str:
    record = result.provenance
    machine = record.get("machine") or {}
    git = record.get("git") or {}
    facts = [
        str(record.get("package") or "package unknown"),
        f"commit {str(git.get('commit', 'unknown'))[:12]}"
        + (" with changes" if git.get("dirty") is True else ""),
        f"weights {str(record['weights_sha256'])[:12]}" if record.get("weights_sha256") else "",
        ", ".join(
            str(part)
            for part in (
                machine.get("cpu"),
                f"{machine['cores']} cores" if "cores" in machine else None,
                machine.get("accelerator"),
            )
            if part
        ),
        str(record.get("created") or "")[:10],
    ]
    return f"- {row.title}: " + "; ".join(fact for fact in facts if fact)


def _aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [list(header), *map(list, rows)]
    widths = [max(3, *map(len, column)) for column in zip(*lines, strict=True)]
    rule = [["-" * width for width in widths]]
    return "\n".join(
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |"
        for line in [*lines[:1], *rule, *lines[1:]]
    )


def csv_table(protocol: Protocol, measured: Sequence[Measured], paper: Sequence[PaperRow]) -> str:
    """CSV text of a table at full precision.

    Parameters
    ----------
    protocol, measured, paper
        As in `markdown_table`.

    Returns
    -------
    str
        For every group the mean, the standard deviation and the ends of the confidence interval.
    """
    columns = _columns(protocol)
    fields = ["method", "title", "source"]
    fields += [f"{column} {part}" for column in columns for part in ("mean", "sd", "low", "high")]
    fields += ["folding_percent", "folding_brain_percent", "sdlogj", "seconds", "protocol_hash"]
    records: list[dict[str, str]] = []
    for row, summary, _ in measured:
        record = {"method": row.method, "title": row.title, "source": "not yet run"}
        if summary is not None:
            record["source"] = "measured"
            for column in columns:
                for part in ("mean", "sd", "low", "high"):
                    record[f"{column} {part}"] = _number(getattr(summary.dice[column], part), 6, "")
            record["folding_percent"] = _number(100 * summary.folding, 6, "")
            record["folding_brain_percent"] = _number(100 * summary.folding_brain, 6, "")
            record["sdlogj"] = _number(summary.sdlogj, 6, "")
            record["seconds"] = _number(summary.seconds, 4, "")
            record["protocol_hash"] = protocol.hash
        records.append(record)
    for row in paper:
        record = {"title": row.title, "source": f"paper: {row.source}"}
        records.append(record | {f"{g} mean": _number(v, 3, "") for g, v in row.dice.items()})
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fields, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return stream.getvalue()


def _number(value: float, digits: int, missing: str = _NONE) -> str:
    return missing if math.isnan(value) else f"{value:.{digits}f}"
