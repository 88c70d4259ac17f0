"""The parts of a report that are text: warnings, numbers, overlap and provenance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from pmrnet.report.content import ReportContent
from pmrnet.report.element import Element, element
from pmrnet.report.measures import overlaps
from pmrnet.report.words import plain, rows, sentences


def section(name: str, title: str, *children: Element | str) -> Element:
    """Make a part of the page with its heading.

    Parameters
    ----------
    name
        Identifier, also of its style.
    title
        Heading.
    *children
        What follows.
    """
    heading = element("h2", title, id=f"{name}-title")
    return element(
        "section", heading, *children, id=name, class_=name, aria_labelledby=f"{name}-title"
    )


def warnings_section(warnings: Sequence[str]) -> Element:
    """Say what to look at first, or that nothing was noticed."""
    if not warnings:
        note = (
            "The automatic checks found nothing unusual. They do not replace a look at the "
            "pictures."
        )
        return section("calm", "No warnings", element("p", note))
    count = f"{len(warnings)} warnings" if len(warnings) > 1 else "1 warning"
    return section("alarm", count, element("ul", *(element("li", text) for text in warnings)))


def numbers_section(metrics: Mapping[str, Any]) -> Element:
    """The registration in words, and every number in a table."""
    words = element("ul", *(element("li", text) for text in sentences(metrics)))
    body = [[row.name, row.value, row.meaning] for row in rows(metrics)]
    table = _table("All numbers", ["Measure", "Value", "Meaning"], body, numeric={1})
    return section("numbers", "The registration in numbers", words, _details("All numbers", table))


def overlap_section(content: ReportContent) -> Element | None:
    """Table of every label's overlap before and after; None without labels."""
    dice = overlaps(content)
    if not dice:
        return None
    labels = list(next(iter(dice.values())))
    heads = ["Label", "Name", *(when.capitalize() for when in dice)]
    if len(dice) == 2:
        heads.append("Change")
    body = [
        _overlap_row(
            str(label), content.label_names.get(label, ""), [d[label] for d in dice.values()]
        )
        for label in labels
    ]
    means = [float(np.mean(list(d.values()))) for d in dice.values()]
    foot = _overlap_row("Mean", f"{len(labels)} labels", means)
    numeric = set(range(2, len(heads)))
    note = (
        "Dice is twice the volume that two regions share over the sum of their volumes: 1 if they "
        "are the same, 0 if they do not touch. Measured on the grid of this report, over the "
        "labels of the fixed image."
    )
    return section(
        "overlap",
        "Overlap of the labels",
        element("p", note),
        _table("Mean overlap", heads, [foot], numeric),
        _details(f"Each of the {len(labels)} labels", _table("Overlap", heads, body, numeric)),
    )


def provenance_section(provenance: Mapping[str, Any]) -> Element:
    """Where the result comes from, nested mappings as one row for each of their values."""
    body = [[name, value] for name, value in _flatten(provenance)]
    table = _table("Provenance", ["What", "Value"], body, numeric=set())
    return section("provenance", "Provenance", table)


def _overlap_row(label: str, name: str, dice: list[float]) -> list[str]:
    cells = [f"{value:.3f}" for value in dice]
    if len(dice) == 2:
        cells.append(f"{dice[1] - dice[0]:+.3f}".replace("-", "\N{MINUS SIGN}"))
    return [label, name, *cells]


def _flatten(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in content.items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{name}: ")
        elif isinstance(value, list | tuple):
            yield name, ", ".join(plain(item) for item in value)
        elif key == "seconds":
            yield "time", f"{plain(value)} s"
        else:
            yield name, plain(value)


def _details(title: str, content: Element) -> Element:
    return element("details", element("summary", title), content)


def _table(name: str, heads: list[str], body: list[list[str]], numeric: set[int]) -> Element:
    """Make a table that scrolls by itself where the screen is too narrow for it."""

    def kind(column: int) -> str | bool:
        return "number" if column in numeric else False

    head = element(
        "tr", *(element("th", text, scope="col", class_=kind(i)) for i, text in enumerate(heads))
    )
    lines = [
        element(
            "tr",
            element("th", first, scope="row"),
            *(element("td", text, class_=kind(i)) for i, text in enumerate(rest, start=1)),
        )
        for first, *rest in body
    ]
    table = element("table", element("thead", head), element("tbody", *lines))
    return element("div", table, class_="scroll", role="region", aria_label=name, tabindex="0")
