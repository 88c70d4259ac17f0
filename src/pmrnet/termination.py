"""An end that is asked for by SIGTERM: a batch system's time limit, `kill`, `docker stop`."""

from __future__ import annotations

import signal
from types import FrameType


class Terminated(KeyboardInterrupt):
    """The process was asked to end; temporary files are removed on the way out."""


def raise_when_terminated() -> None:
    """Make the first SIGTERM an exception in the main thread; a second one ends the process."""
    signal.signal(signal.SIGTERM, _terminate)


def _terminate(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    raise Terminated
