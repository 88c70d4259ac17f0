"""Reliability of the predicted standard deviation, before and after a temperature."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

from pmrnet.errors import InputError
from pmrnet.figures import style

#: by the names of `pmrnet.calibration.study`: how a temperature is drawn and called
_LINES = {
    "raw": (style.RED, "o", "posterior as it is"),
    "stored": (style.ORANGE, "^", "temperature of the weights"),
    "fitted": (style.BLUE, "s", "temperature fitted on validation pairs"),
}


def draw_reliability(curves: Mapping[str, pd.DataFrame], split: str = "test") -> Figure:
    """Draw a row of two panels for every calibration.

    Parameters
    ----------
    curves
        By title the table that `pmrnet.calibration.study` stores: columns ``split``,
        ``temperature``, ``curve``, ``x``, ``y``.
    split
        Which pairs to show; those of validation where there are no such pairs.

    Returns
    -------
    matplotlib.figure.Figure
        Left: root mean square error in bins of the predicted standard deviation, mm, both axes
        logarithmic. Right: share of errors within the predicted region of each nominal
        probability. Calibrated predictions lie on the diagonals.

    Raises
    ------
    InputError
        If there are no curves.
    """
    if not curves:
        raise InputError(
            "Reliability curves: expected a stored calibration, found none; run `pmrnet calibrate`."
        )
    figure = style.new_figure(height=0.4 + 2.7 * len(curves))
    rows = figure.subplots(len(curves), 2, squeeze=False)
    for panels, (title, table) in zip(rows, curves.items(), strict=True):
        shown = table[table["split"] == split]
        _draw_row(panels, table if shown.empty else shown, title)
    shown = [panel.get_legend_handles_labels() for panel, _ in rows]
    entries = {
        text: line for lines, texts in shown for line, text in zip(lines, texts, strict=True)
    }
    figure.legend(
        list(entries.values()),
        list(entries),
        loc="outside lower center",
        ncols=len(entries),
        fontsize=style.SMALL,
        frameon=False,
    )
    return figure


def _draw_row(panels: tuple[Axes, Axes], table: pd.DataFrame, title: str) -> None:
    deviation, coverage = panels
    for name, (colour, marker, text) in _LINES.items():
        rows = table[table["temperature"] == name]
        if rows.empty:
            continue
        for panel, curve in ((deviation, "deviation"), (coverage, "coverage")):
            part = rows[rows["curve"] == curve]
            look = {"color": colour, "marker": marker, "markersize": 3, "linewidth": 1}
            panel.plot(part["x"], part["y"], label=text, **look)
    values = table.loc[table["curve"] == "deviation", ["x", "y"]].to_numpy()
    values = values[values > 0]
    limits = (values.min() / 1.3, values.max() * 1.3)
    deviation.set(xscale="log", yscale="log", xlim=limits, ylim=limits)
    for axis in (deviation.xaxis, deviation.yaxis):
        ticks = [
            t for t in (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20) if limits[0] <= t <= limits[1]
        ]
        axis.set_ticks(ticks)
        axis.set_major_formatter(ScalarFormatter())
        axis.set_minor_formatter(NullFormatter())
    coverage.set(xlim=(0, 1), ylim=(0, 1))
    for panel, ends in ((deviation, limits), (coverage, (0, 1))):
        panel.plot(ends, ends, color="0.6", linewidth=0.8, linestyle="--", label="calibrated")
        panel.set_aspect("equal")
        panel.tick_params(labelsize=style.SMALL)
        panel.spines[["top", "right"]].set_visible(False)
    deviation.set_xlabel("predicted standard deviation, mm", fontsize=style.SMALL)
    deviation.set_ylabel("root mean square error, mm", fontsize=style.SMALL)
    coverage.set_xlabel("nominal probability", fontsize=style.SMALL)
    coverage.set_ylabel("share of errors within", fontsize=style.SMALL)
    coverage.set_xticks(np.linspace(0, 1, 6))
    deviation.set_title(title, fontsize=style.NORMAL, loc="left")
