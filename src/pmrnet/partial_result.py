"""Pairs that an evaluation has finished so far, kept so that a kill costs one pair at most."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pmrnet.files import atomic_write_text

PARTIAL = "evaluation.jsonl.part"

_log = logging.getLogger(__name__)


class PartialResult:
    """The finished pairs of an evaluation under way, one JSON line each, safe against a kill.

    The first line is the identity of the method, the second one lists its starts. Pairs of another
    identity are dropped, and so is a last line that a kill cut short. Use it as a context manager.

    Parameters
    ----------
    folder : path-like
        Folder of the result, created where it is missing.
    identity : mapping
        Identity of the method, as JSON types.
    start : mapping
        What this start runs on, as JSON types.

    Attributes
    ----------
    starts : list of dict
        What the finished pairs were computed on and the next ones will be: different starts, the
        first one first.
    records : dict of (str, str) to dict
        The finished pairs, by (moving, fixed).
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        identity: Mapping[str, Any],
        start: Mapping[str, Any],
    ) -> None:
        self.path = Path(folder) / PARTIAL
        self.records: dict[tuple[str, str], dict[str, Any]] = {}
        self.starts: list[dict[str, Any]] = []
        lines = _whole_lines(self.path)
        if len(lines) > 1 and lines[0] == dict(identity) and "starts" in lines[1]:
            self.records = {(line["moving"], line["fixed"]): line for line in lines[2:]}
            if self.records:
                self.starts = lines[1]["starts"]
        elif lines:
            _log.warning("%s is of another method or protocol: starting over", self.path)
        if dict(start) not in self.starts:
            self.starts.append(dict(start))
        # Rewritten rather than appended to, which would continue a line that was cut short.
        content = [dict(identity), {"starts": self.starts}, *self.records.values()]
        atomic_write_text(self.path, "".join(json.dumps(line) + "\n" for line in content))
        self._stream = self.path.open("a", encoding="utf-8", newline="\n")

    def __enter__(self) -> PartialResult:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def append(self, record: Mapping[str, Any]) -> None:
        """Add a finished pair and see to it that it is on the disk."""
        self.records[record["moving"], record["fixed"]] = dict(record)
        self._stream.write(json.dumps(record) + "\n")
        self._stream.flush()
        os.fsync(self._stream.fileno())

    def remove(self) -> None:
        """Delete the file: the result is finished."""
        self._stream.close()
        self.path.unlink(missing_ok=True)


def _whole_lines(path: Path) -> list[dict[str, Any]]:
    lines = []
    try:
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("\n"):
                lines.append(json.loads(line))
    except (FileNotFoundError, ValueError):
        pass  # none yet, or garbage after a crash: what was read before it counts
    return lines
