"""The text of a table, as Markdown and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from pmrnet.aligned_text import aligned
from pmrnet.protocol import Protocol
from pmrnet.results import Result
from pmrnet.summary import ALL, Statistic, Summary
from pmrnet.table_cells import LOST, NOT_YET_RUN, Cell, cells_of, cost_of, number
from pmrnet.table_rows import Measured, PaperRow, Row, arranged

__all__ = ["Measured", "PaperRow", "Row", "csv_table", "markdown_table"]

_PARTS = ("mean", "sd", "low", "high")
_COST = ("parameters", "steps", "training_seconds", "peak_memory_gib")


_LEGEND = (
    "Bold: the best measured value of a column, to the decimals shown; of folding and SDlogJ "
    "among the methods that compute a deformation. HD95: the larger of the two directed "
    "95th percentiles of the distance of a label's surfaces on the fixed subject's grid, mean over "
    "the labels that both volumes have, then mean ± standard deviation over pairs. Folding: share "
    "of voxels of the network grid whose Jacobian determinant is not positive, on the whole grid "
    "and within the fixed brain; SDlogJ: standard deviation of the determinant's logarithm; "
    "seconds: median time of one registration, beside whatever else the machine did and on the "
    "cores named below, so that those of two rows need not compare. Parameters, steps and seconds "
    "of the training are those of the weights, with those of weights that the training started "
    "from; what it ran on is "
    "said below. Memory: peak of the process that registers, on the host."
)


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
        Columns are aligned, so that it reads well on a terminal too; the best measured values are
        bold.
    """
    columns = [*protocol.groups, ALL]
    head, body = cells_of(protocol, arranged(measured, paper))
    intervals = [
        [
            row.title,
            *(f"{number(s.low, 3)} to {number(s.high, 3)}" for s in _dice(summary, columns)),
        ]
        for row, summary, _ in measured
        if summary is not None
    ]
    count = len(protocol.pairs("test"))
    parts = [
        f"# {heading}",
        f"Protocol {protocol.name}, hash {protocol.hash}: {count} ordered pairs of "
        f"{len(protocol.test)} test subjects, {len(protocol.labels)} labels. Dice of every label, "
        "then mean over the group's labels, then mean ± standard deviation over pairs.",
        aligned(head, [[_marked(cell) for cell in line] for line in body]),
    ]
    missing = [row for row, summary, _ in measured if summary is None]
    if missing:
        parts.append("\n".join(f"- {row.title} not yet run: `{row.command}`" for row in missing))
    if intervals:
        parts += [
            f"95 % confidence intervals of the mean (bootstrap over test subjects, {resamples} "
            "resamples, stretched for their small number):",
            aligned(["Method", *columns], intervals),
        ]
    parts.append(_LEGEND)
    provenance = [_provenance_line(row, result) for row, _, result in measured if result]
    if provenance:
        parts.append("\n".join(["Measured:", "", *provenance]))
    printed = [row for row in paper if not row.lost]
    if printed:
        parts.append(
            "Paper: printed numbers, made with the paper's own preparation of the data, so that "
            "they do not compare exactly:\n\n" + _sources(printed)
        )
    lost = [row for row in paper if row.lost]
    if lost:
        parts.append(
            f"Paper, {LOST}: the paper prints a number here that is known no more:\n\n"
            + _sources(lost)
        )
    return "\n\n".join(parts) + "\n"


def _dice(summary: Summary, columns: Sequence[str]) -> list[Statistic]:
    return [summary.dice[column] for column in columns]


def _marked(cell: Cell) -> str:
    return f"**{cell.text}**" if cell.best else cell.text


def _sources(rows: Sequence[PaperRow]) -> str:
    return "\n".join(f"- {row.title}: {row.source}" for row in rows)


def _provenance_line(row: Row, result: Result) -> str:
    record = result.provenance
    starts = record.get("starts") or [record]  # several of an evaluation that was stopped
    machines = dict.fromkeys(_machine(start.get("machine") or {}) for start in starts)
    commits = dict.fromkeys(_commit(start.get("git") or {}) for start in starts)
    facts = [
        str(record.get("package") or "package unknown"),
        f"commit {', then '.join(commits)}",
        f"weights {str(record['weights_sha256'])[:12]}" if record.get("weights_sha256") else "",
        ", then ".join(name for name in machines if name),
        str(record.get("created") or "")[:10],
        _trained(record.get("cost") or {}),
    ]
    return f"- {row.title}: " + "; ".join(fact for fact in facts if fact)


def _commit(git: Mapping[str, Any]) -> str:
    changed = " with changes" if git.get("dirty") is True else ""
    return f"{str(git.get('commit', 'unknown'))[:12]}{changed}"


def _trained(cost: Mapping[str, Any]) -> str:
    machines = cost.get("training_machines")
    return f"trained on {', then '.join(machines)}" if machines else ""


def _machine(machine: Mapping[str, Any]) -> str:
    cores = f"{machine['cores']} cores" if "cores" in machine else None
    return ", ".join(str(p) for p in (machine.get("cpu"), cores, machine.get("accelerator")) if p)


def csv_table(protocol: Protocol, measured: Sequence[Measured], paper: Sequence[PaperRow]) -> str:
    """CSV text of a table at full precision.

    Parameters
    ----------
    protocol, measured, paper
        As in `markdown_table`.

    Returns
    -------
    str
        For every group the mean, the standard deviation and the ends of the confidence interval,
        of Dice and of HD95.
    """
    columns = [*protocol.groups, ALL]
    fields = ["method", "title", "source"]
    fields += [f"{column} {part}" for column in columns for part in _PARTS]
    fields += [f"HD95 {column} {part}" for column in columns for part in _PARTS]
    fields += ["folding_percent", "folding_brain_percent", "sdlogj", "seconds"]
    fields += [*_COST, "protocol_hash"]
    records: list[dict[str, str]] = []
    for item in arranged(measured, paper):
        if isinstance(item, PaperRow):
            source = f"paper{f' ({LOST})' if item.lost else ''}: {item.source}"
            means = {f"{group} mean": number(v, 3, "") for group, v in item.dice.items()}
            records.append({"title": item.title, "source": source, **means})
            continue
        row, summary, result = item
        record = {"method": row.method, "title": row.title, "source": NOT_YET_RUN}
        if summary is not None and result is not None:
            record["source"] = "measured"
            for column in columns:
                for part in _PARTS:
                    dice, hd95 = summary.dice[column], summary.hd95[column]
                    record[f"{column} {part}"] = number(getattr(dice, part), 6, "")
                    record[f"HD95 {column} {part}"] = number(getattr(hd95, part), 6, "")
            record["folding_percent"] = number(100 * summary.folding, 6, "")
            record["folding_brain_percent"] = number(100 * summary.folding_brain, 6, "")
            record["sdlogj"] = number(summary.sdlogj, 6, "")
            record["seconds"] = number(summary.seconds, 4, "")
            cost = cost_of(result)
            record |= {key: number(cost[key], 1 if "_" in key else 0, "") for key in _COST}
            record["protocol_hash"] = protocol.hash
        records.append(record)
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fields, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return stream.getvalue()
