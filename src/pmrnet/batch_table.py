"""The table of a batch: what became of every pair, whole on the disk at any time."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

from pmrnet.data.room import explained_writing
from pmrnet.errors import InputError
from pmrnet.files import atomic_write_text
from pmrnet.folder_lock import folder_lock

#: name of the table in the folder of the results
TABLE = "results.csv"
METRICS = (
    "dice_before",
    "dice_after",
    "correlation_before",
    "correlation_after",
    "displacement_mean_mm",
    "displacement_max_mm",
    "folding_fraction",
    "jacobian_min",
    "jacobian_max",
    "sdlogj",
    "uncertainty_mean_mm",
    "round_trip_mean_mm",
    "round_trip_p99_mm",
    "template_overlap_moving",
    "template_overlap_fixed",
)
COLUMNS = ("name", "status", "message", "seconds", *METRICS, "warnings")


class BatchTable:
    """Rows by the pairs' names, written to a CSV file.

    Parameters
    ----------
    path
        The file. Rows of other pairs in it are kept, those that another batch writes meanwhile
        too, and of these pairs the seconds that they took.
    names
        The pairs of this run: ``pending`` at first.

    Raises
    ------
    InputError
        If there is a file of that name which is no such table.
    """

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self.path = path
        self._names = tuple(names)
        self.rows = _read(path)
        for name in names:
            seconds = self.rows.get(name, {}).get("seconds", "")
            self.rows[name] = {"name": name, "status": "pending", "seconds": seconds}

    def done(self, name: str, folder: Path, seconds: float | None = None) -> None:
        """Enter a finished pair by the `metrics.json` in its folder.

        `seconds` is the time that it took; None keeps what the table says.
        """
        record = json.loads((folder / "metrics.json").read_text())
        row = self.rows[name]
        row |= {"status": "done", "message": "", "warnings": " ".join(record["warnings"])}
        found = {key: record["metrics"].get(key) for key in METRICS}
        row |= {key: f"{value:.6g}" for key, value in found.items() if value is not None}
        if seconds is not None:
            row["seconds"] = f"{seconds:.2f}"

    def failed(self, name: str, message: str) -> None:
        """Enter a pair that did not work, and why."""
        self.rows[name] |= {"status": "failed", "message": message, "seconds": ""}

    def count(self, status: str, names: Sequence[str]) -> int:
        """How many of these pairs have a status."""
        return sum(self.rows[name]["status"] == status for name in names)

    def warned(self, names: Sequence[str]) -> int:
        """How many of these pairs have warnings."""
        return sum(bool(self.rows[name].get("warnings")) for name in names)

    def write(self) -> None:
        """Write the table.

        Raises
        ------
        InputError
            If the folder cannot be written to, or is full.
        """
        with folder_lock(self.path.parent, "batch", wait_s=60):
            self.rows = _read(self.path) | {name: self.rows[name] for name in self._names}
            text = io.StringIO(newline="")
            writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows.values())
            with explained_writing(self.path.parent, len(text.getvalue())):
                atomic_write_text(self.path, text.getvalue())


def _read(path: Path) -> dict[str, dict[str, str]]:
    if not path.exists():
        return {}
    try:
        # Excel's "CSV UTF-8" begins with a byte order mark.
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            rows = list(reader) if tuple(reader.fieldnames or ()) == COLUMNS else [{None: ""}]
            if all(None not in row for row in rows):  # None: cells beyond the last column
                return {row["name"]: row for row in rows}
    except (OSError, UnicodeDecodeError, csv.Error):
        pass  # no table either
    raise InputError(
        f"{path}: expected the table of an earlier batch or nothing, found another file; give "
        "another folder for the results."
    )
