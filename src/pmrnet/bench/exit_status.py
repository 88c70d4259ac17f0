"""How a benchmark ends: what was wrong is said in a sentence, without a traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable

from pmrnet.errors import InputError


def exit_status(run: Callable[..., None], *arguments: object) -> int:
    """Call `run`; 0, or 2 where it refuses what it was given, whose sentence is printed."""
    try:
        run(*arguments)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0
