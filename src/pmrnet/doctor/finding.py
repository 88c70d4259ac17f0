"""What a check found, and how it is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

Level = Literal["ok", "warning", "error"]

_STYLES: dict[str, str] = {"ok": "green", "warning": "yellow", "error": "bold red"}

# Of many so many are named.
_NAMED = 6


@dataclass(frozen=True)
class Finding:
    """Something that a check found.

    Attributes
    ----------
    level : {"ok", "warning", "error"}
        Fine, worth a look, or in the way.
    what : str
        What was found, in plain words.
    advice : str or None
        What to do about it.
    """

    level: Level
    what: str
    advice: str | None = None


def report(findings: Iterable[Finding], console: Console) -> int:
    """Print findings, their level in front, and a line that counts what is wrong.

    Parameters
    ----------
    findings
        In the order in which they are told.
    console
        Where they go.

    Returns
    -------
    int
        Exit status: 1 if there is an error among them, else 0.
    """
    findings = list(findings)
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        # As text, not as markup: paths may hold square brackets.
        text = Text(finding.what)
        if finding.advice:
            text.append(f"\n{finding.advice}", style="italic")
        table.add_row(Text(finding.level, style=_STYLES[finding.level]), text)
    console.print(table)
    counts = Counter(finding.level for finding in findings)
    wrong = [
        f"{counts[level]} {level}{'' if counts[level] == 1 else 's'}"
        for level in ("error", "warning")
        if counts[level]
    ]
    console.print(Text(f"{' and '.join(wrong) or 'Nothing wrong'} in {len(findings)} findings."))
    return int(counts["error"] > 0)


def some(names: Sequence[object]) -> str:
    """The first few of many names or numbers, and how many more there are."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(map(str, names[:_NAMED]))}{more}"
