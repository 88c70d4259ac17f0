"""The part of a download that is on disk already, and what it is a part of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import requests

from pmrnet.files import atomic_write_text


class PartFile:
    """`<path>.part`, with a note `<path>.part.json` of what the server said of the whole file.

    The note is written before the first byte, so a part without one, or one that was begun from
    another address, counts for nothing.

    Parameters
    ----------
    final
        Name of the complete file.
    url
        Where it comes from.
    size
        Its size where that is known; a part of a file of another size counts for nothing.

    Attributes
    ----------
    path : pathlib.Path
        The part.
    total : int or None
        Size of the whole file as the server announced it.
    """

    def __init__(self, final: Path, url: str, size: int | None = None) -> None:
        self.path = final.with_name(f"{final.name}.part")
        self._note = final.with_name(f"{final.name}.part.json")
        self._url = url
        self._known = self._read_note()
        if self._known is None or (size is not None and self.total not in (None, size)):
            self.discard()

    @property
    def position(self) -> int:
        """Number of bytes that are there."""
        return self.path.stat().st_size if self._known is not None and self.path.is_file() else 0

    @property
    def total(self) -> int | None:
        """Size of the whole file as the server announced it."""
        return None if self._known is None else self._known["total"]

    @property
    def complete(self) -> bool:
        """Whether all the bytes that the server announced are there."""
        return self.total is not None and self.position == self.total

    def range_headers(self) -> dict[str, str]:
        """Headers that ask for the rest, on condition that the file is still the same.

        None where the server gave nothing to tell that by; the whole file is sent then.
        """
        if not self.position or self._known is None:
            return {}
        etag, modified = self._known["etag"], self._known["last_modified"]
        # A weak tag does not promise the same bytes, and is not allowed in If-Range.
        validator = modified if etag is None or etag.startswith("W/") else etag
        if validator is None:
            return {}
        return {"Range": f"bytes={self.position}-", "If-Range": validator}

    def is_continued_by(self, response: requests.Response) -> bool:
        """Whether an answer with a range is of the same file: some servers ignore If-Range."""
        known = self._known or {}
        for key, value in _validators(response).items():
            # An answer to If-Range may leave out what the client knows already, but not the tag.
            if known.get(key) != value and not (key == "last_modified" and value is None):
                return False
        return True

    def begin(self, response: requests.Response, total: int | None) -> None:
        """Start over with the file that an answer brings."""
        self.discard()
        self._known = {"url": self._url, "total": total, **_validators(response)}
        atomic_write_text(self._note, json.dumps(self._known, indent=1) + "\n")
        self.path.touch()

    def discard(self) -> None:
        """Delete the part and the note."""
        # In this order: a note without a part is harmless.
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)
        self._known = None

    def finish(self, final: Path) -> None:
        """Give the part the name of the complete file."""
        self.path.replace(final)
        self._note.unlink(missing_ok=True)

    def _read_note(self) -> dict[str, Any] | None:
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            total = note["total"]
            texts = (note["etag"], note["last_modified"])
            if note["url"] != self._url or not (total is None or isinstance(total, int)):
                return None
            return note if all(isinstance(t, str | None) for t in texts) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None


def _validators(response: requests.Response) -> dict[str, str | None]:
    return {
        "etag": response.headers.get("ETag"),
        "last_modified": response.headers.get("Last-Modified"),
    }
