"""What the rows of a table are made of, and the order in which they stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pmrnet.results import Result
from pmrnet.summary import Summary


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
    paper : str or None
        Title of the paper's row for the same method, which then stands below this one.
    """

    method: str
    title: str
    command: str
    paper: str | None = None


@dataclass(frozen=True)
class PaperRow:
    """A row of a paper.

    Attributes
    ----------
    title : str
        What the paper calls the method.
    dice : dict of str to float
        By group, as printed; NaN where the numbers are lost.
    source : str
        Where it is printed.
    lost : bool
        Whether the printed numbers are known no more.
    """

    title: str
    dice: dict[str, float]
    source: str
    lost: bool = False


Measured = tuple[Row, Summary | None, Result | None]


def arranged(measured: Sequence[Measured], paper: Sequence[PaperRow]) -> list[Measured | PaperRow]:
    """Put the paper's rows next to the measured rows of the same methods.

    Parameters
    ----------
    measured : sequence of (Row, Summary or None, Result or None)
        In the table's order.
    paper : sequence of PaperRow

    Returns
    -------
    list
        Every measured row, below it the paper's row that it names; at the end the rows of the
        paper that no measured row names.
    """
    by_title = {row.title: row for row in paper}
    rows: list[Measured | PaperRow] = []
    for item in measured:
        rows.append(item)
        if item[0].paper in by_title:
            rows.append(by_title.pop(item[0].paper))
    return [*rows, *by_title.values()]
