"""Stored results of an evaluation.

A result is a folder of three files. ``pairs.csv`` has one row per pair and label (columns moving,
fixed, label, dice, hd95; an empty dice where neither volume has the label, an empty hd95 where
either lacks it; results of evaluations that left HD95 out have no such column),
``registrations.csv`` one row per pair, and ``result.json`` the protocol's name and hash, the
method's identity and the provenance. ``result.json`` is written last and holds checksums of the
other two, so that a result that is only half replaced is noticed.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pmrnet.errors import InputError
from pmrnet.files import atomic_write_text

PAIRS, REGISTRATIONS, RESULT = "pairs.csv", "registrations.csv", "result.json"
PAIR_COLUMNS = ("moving", "fixed", "label", "dice")
HD95 = "hd95"
"""The optional last column of pairs, in millimetres."""
REGISTRATION_COLUMNS = ("moving", "fixed", "seconds", "folding", "folding_brain", "sdlogj")


@dataclass(frozen=True)
class Result:
    """A finished result.

    Attributes
    ----------
    method : str
        Name of the method.
    protocol, protocol_hash : str
        Name and hash of the protocol it was scored by.
    identity : dict
        What makes it this method's result and no other's.
    provenance : dict
        From `pmrnet.provenance.collect`.
    pairs : pandas.DataFrame
        Columns `PAIR_COLUMNS` and `HD95`, which is NaN throughout where it was not computed.
    registrations : pandas.DataFrame
        Columns `REGISTRATION_COLUMNS`: seconds of the registration itself, share of folded voxels
        on the whole network grid and within the fixed brain, SDlogJ on the whole network grid.
    """

    method: str
    protocol: str
    protocol_hash: str
    identity: dict[str, Any]
    provenance: dict[str, Any]
    pairs: pd.DataFrame
    registrations: pd.DataFrame


def load_result(folder: str | os.PathLike[str]) -> Result | None:
    """Read a stored result.

    Parameters
    ----------
    folder : path-like

    Returns
    -------
    Result or None
        None where there is no finished result.

    Raises
    ------
    InputError
        If the files are damaged, or were changed after they were written.
    """
    folder = Path(folder)
    if not (folder / RESULT).is_file():
        return None
    try:
        stored = json.loads((folder / RESULT).read_text(encoding="utf-8"))
        texts = {name: (folder / name).read_text(encoding="utf-8") for name in stored["files"]}
        for name, text in texts.items():
            if _checksum(text) != stored["files"][name]:
                raise ValueError(f"{name} is not the file that {RESULT} describes")
        return Result(
            method=stored["method"],
            protocol=stored["protocol"]["name"],
            protocol_hash=stored["protocol"]["hash"],
            identity=stored["identity"],
            provenance=stored["provenance"],
            pairs=_read_csv(texts[PAIRS], PAIR_COLUMNS, HD95),
            registrations=_read_csv(texts[REGISTRATIONS], REGISTRATION_COLUMNS),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"Expected a complete stored result in {folder}, found a damaged one ({error}): "
            "restore its files, or evaluate again with overwriting allowed."
        ) from error


def write_result(
    folder: str | os.PathLike[str],
    method: str,
    protocol: Mapping[str, str],
    identity: Mapping[str, Any],
    provenance: Mapping[str, Any],
    records: Sequence[Mapping[str, Any]],
) -> None:
    """Write a finished result, sorted by pair and label.

    Parameters
    ----------
    folder : path-like
        Created where it is missing; a result in it is replaced.
    method : str
        Name of the method.
    protocol : mapping
        Keys ``name`` and ``hash``.
    identity, provenance : mapping
        See `Result`.
    records : sequence of mapping
        One per pair: the keys of `REGISTRATION_COLUMNS`; ``dice``, a list of [label, Dice]; and
        ``hd95``, a list of [label, millimetres], which is only stored if all records have it.
    """
    folder = Path(folder)
    records = sorted(records, key=lambda record: (record["moving"], record["fixed"]))
    with_hd95 = all(HD95 in record for record in records)
    pairs = []
    for record in records:
        distances = dict(record.get(HD95, ()))
        for label, dice in sorted(record["dice"]):
            row = (record["moving"], record["fixed"], label, _number(dice, ".6f"))
            pairs.append((*row, _number(distances.get(label), ".4f")) if with_hd95 else row)
    registrations = [
        (
            record["moving"],
            record["fixed"],
            *(_number(record[column], ".6g") for column in REGISTRATION_COLUMNS[2:]),
        )
        for record in records
    ]
    texts = {
        PAIRS: _csv_text((*PAIR_COLUMNS, HD95) if with_hd95 else PAIR_COLUMNS, pairs),
        REGISTRATIONS: _csv_text(REGISTRATION_COLUMNS, registrations),
    }
    for name, text in texts.items():
        atomic_write_text(folder / name, text)
    result = {
        "method": method,
        "protocol": dict(protocol),
        "pairs": len(records),
        "identity": dict(identity),
        "provenance": dict(provenance),
        "files": {name: _checksum(text) for name, text in texts.items()},
    }
    atomic_write_text(folder / RESULT, json.dumps(result, indent=2) + "\n")


def largest_difference(stored: Result, again: Result) -> float:
    """Largest difference of two results' Dice of a label in a pair.

    Parameters
    ----------
    stored, again : Result

    Returns
    -------
    float
        Infinity where a label has a Dice in one of them only.
    """
    keys = ["moving", "fixed", "label"]
    both = stored.pairs.merge(
        again.pairs, on=keys, how="outer", suffixes=("", "_again"), indicator=True
    )
    first, second = both["dice"], both["dice_again"]
    if (both["_merge"] != "both").any() or (first.isna() != second.isna()).any():
        return math.inf
    return float((first - second).abs().max())


def mean_dice(result: Result) -> float:
    """Mean over pairs of the mean over labels, as the tables have it."""
    return float(result.pairs.groupby(["moving", "fixed"])["dice"].mean().mean())


def _checksum(text: str) -> str:
    # Of the text, not the bytes: git may check files out with other line ends.
    return hashlib.sha256(text.encode()).hexdigest()


def _number(value: float | None, form: str) -> str:
    return "" if value is None or value != value else format(value, form)


def _csv_text(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return stream.getvalue()


def _read_csv(text: str, columns: Sequence[str], optional: str | None = None) -> pd.DataFrame:
    # Names stay texts, even where a subject is called "001" or "NA".
    names = {"moving": str, "fixed": str}
    frame = pd.read_csv(io.StringIO(text), dtype=names, keep_default_na=False, na_values=[""])
    if optional is not None and optional not in frame.columns:
        frame[optional] = float("nan")
    columns = columns if optional is None else (*columns, optional)
    if tuple(frame.columns) != tuple(columns):
        raise ValueError(f"columns {', '.join(frame.columns)} instead of {', '.join(columns)}")
    return frame
