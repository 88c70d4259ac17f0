"""The commands that messages tell users to run."""

from __future__ import annotations

import shlex


def make_command(goals: str, dataset: str, method: str | None = None) -> str:
    """``make GOALS DATASET=...``, with ``METHOD=...`` where one is named, quoted for a shell."""
    words = [f"make {goals} DATASET={shlex.quote(dataset)}"]
    if method is not None:
        words.append(f"METHOD={shlex.quote(method)}")
    return " ".join(words)
