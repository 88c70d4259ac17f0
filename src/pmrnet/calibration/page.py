"""The page on uncertainty: its numbers and its figure, from the stored calibrations."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pmrnet.errors import InputError
from pmrnet.figures.files import save_png
from pmrnet.figures.reliability import draw_reliability
from pmrnet.files import atomic_write_text

#: relative to the project's folder, as experiments are
PAGE, FIGURE = Path("docs/uncertainty.md"), Path("docs/uncertainty.png")
BEGIN = "<!-- numbers: written by `pmrnet calibrate`, edits are lost -->"
END = "<!-- end of numbers -->"

# What a sentence calls close to calibrated: errors within a tenth of what is predicted, regions off
# by five points in the mean.
_RATIO, _COVERAGE = 0.1, 0.05


@dataclass(frozen=True, eq=False)
class Calibration:
    """A stored calibration: see `pmrnet.calibration.study.calibrate`."""

    record: dict[str, Any]
    curves: pd.DataFrame

    @property
    def title(self) -> str:
        """What was measured, on what, with which weights."""
        record = self.record
        return f"{record['dataset']}, {record['reference']}, weights {self.weights}"

    @property
    def weights(self) -> str:
        """Shipped name, or method."""
        name = self.record["weights"]
        return self.record["method"] if name.endswith(".json") else name

    def coverage(self, split: str, temperature: str, nominal: float) -> float:
        """Share of errors in the region of a nominal probability."""
        c = self.curves
        rows = c[
            (c["split"] == split)
            & (c["temperature"] == temperature)
            & (c["curve"] == "coverage")
            & ((c["x"] - nominal).abs() < 1e-9)
        ]
        return float(rows["y"].iloc[0])


def load_calibrations(experiments: Path = Path("experiments")) -> list[Calibration]:
    """All stored calibrations, LPBA40's first, then by data set and name."""
    files = sorted(
        experiments.glob("*/calibration/*.json"),
        key=lambda file: (file.parts[-3] != "lpba40", file.parts[-3], file.name),
    )
    return [
        Calibration(json.loads(file.read_text()), pd.read_csv(file.with_suffix(".csv")))
        for file in files
    ]


def numbers(calibrations: list[Calibration]) -> str:
    """What was found, in Markdown: for each calibration a sentence or two and a table."""
    return "\n\n".join(_section(calibration) for calibration in calibrations)


def update_page(page: Path = PAGE, figure: Path = FIGURE) -> list[Path]:
    """Write the stored numbers between the page's two marks, and the figure.

    Raises
    ------
    InputError
        If the page lacks the marks, or nothing is stored.
    """
    calibrations = load_calibrations()
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise InputError(f"{page}: expected the lines {BEGIN} and {END}, found none; put them in.")
    drawn = draw_reliability({entry.title: entry.curves for entry in calibrations})
    save_png(drawn, figure, dpi=130)
    content = f"{before}{BEGIN}\n\n{numbers(calibrations)}\n\n{END}{after}"
    atomic_write_text(page, content)
    return [page, figure]


def _section(calibration: Calibration) -> str:
    record = calibration.record
    lines = [
        f"### {calibration.title}",
        "",
        *_sentences(calibration),
        "",
        "| pairs | temperature | predicted, mm | error, mm | error / predicted | within 50 % "
        "| within 90 % | calibration error | rank correlation |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in record["summaries"]:
        within = (calibration.coverage(row["split"], row["temperature"], p) for p in (0.5, 0.9))
        fifty, ninety = (f"{100 * share:.0f} %" for share in within)
        lines.append(
            f"| {row['pairs']} of {row['split']} | {row['value']:g} ({row['temperature']}) "
            f"| {row['predicted_mm']:.2f} | {row['actual_mm']:.2f} "
            f"| {row['error_to_deviation']:.2f} | {fifty} | {ninety} "
            f"| {row['coverage_error']:.3f} | {_number(row['spearman'])} |"
        )
    return "\n".join(lines)


def _sentences(calibration: Calibration) -> list[str]:
    record = calibration.record
    split = record["summaries"][-1]["split"]
    rows = {r["temperature"]: r for r in record["summaries"] if r["split"] == split}
    raw, fitted = rows["raw"], rows["fitted"]
    within = {name: 100 * calibration.coverage(split, name, 0.9) for name in rows}
    return [
        f"**As the network gives it: {_verdict(raw)}.** On {raw['pairs']} {split} pairs, errors "
        f"are {raw['error_to_deviation']:.1f} times what is predicted, and the region that should "
        f"hold 90 % of them holds {within['raw']:.0f} %.",
        f"**With the temperature {fitted['value']:g}: {_verdict(fitted)}.** Errors are "
        f"{fitted['error_to_deviation']:.2f} times what is predicted, and the region of 90 % holds "
        f"{within['fitted']:.0f} %; the calibration error goes from {raw['coverage_error']:.3f} to "
        f"{fitted['coverage_error']:.3f}.",
        *_about_stored(rows.get("stored")),
        _about_rank(fitted["spearman"]),
    ]


def _about_stored(row: dict[str, Any] | None) -> list[str]:
    if row is None:
        return []
    return [
        f"**With the temperature {row['value']:g} that the weights brought along: "
        f"{_verdict(row)}.** Errors are {row['error_to_deviation']:.2f} times what is predicted."
    ]


def _verdict(row: dict[str, Any]) -> str:
    ratio = row["error_to_deviation"]
    if ratio > 1 + _RATIO:
        return "not calibrated, overconfident"
    if ratio < 1 - _RATIO:
        return "not calibrated, too cautious"
    if row["coverage_error"] > _COVERAGE:
        return "calibrated in size, not in its distribution"
    return "close to calibrated"


def _about_rank(spearman: float | None) -> str:
    if spearman is None or spearman < 0.1:
        says = "it does not say where errors are larger"
    elif spearman < 0.3:
        says = "it says little of where errors are larger"
    else:
        says = "where it is larger, errors are larger too"
    return f"The rank correlation of prediction and error is {_number(spearman)}: {says}."


def _number(value: float | None) -> str:
    return "\N{EN DASH}" if value is None else f"{value:.2f}"
