"""Keep TensorFlow's own start-up messages off a user's terminal.

TensorFlow's native code writes to file descriptor 2 directly, some of it whatever the log level is
set to. Its lines have a fixed form and only those are dropped: a crash still says what it says.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import sys

#: lines of TensorFlow's native log below "fatal", as in `I0000 00:00:1700000000.1 123 port.cc:153]`
NATIVE_LINE = re.compile(
    rb"[IWE]\d{4} \d\d:\d\d:\d+.*\] |WARNING: All log messages before absl::InitializeLog"
)


def silence_tensorflow() -> None:
    """Drop TensorFlow's log lines from the error stream of this process and its children.

    A small process of its own passes the other lines on, so that it still does when this one
    crashes. Python's own error stream goes to the terminal directly, so that progress bars keep
    working. Call once, before TensorFlow is imported. Where file descriptor 2 is not the error
    stream, or processes cannot fork, only the log level is set.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # retracing, mostly
    try:
        if sys.stderr.fileno() != 2 or not hasattr(os, "fork"):
            return
    except (AttributeError, OSError, ValueError):  # closed, or replaced by something without one
        return
    terminal = os.dup(2)
    reader, writer = os.pipe()
    if os.fork() == 0:
        _forward(reader, writer, terminal)
    os.close(reader)
    os.dup2(writer, 2)
    os.close(writer)
    sys.stderr = os.fdopen(terminal, "w", buffering=1, encoding="utf-8", errors="backslashreplace")


def _forward(reader: int, writer: int, terminal: int) -> None:
    """Pass on, line by line, what is not TensorFlow's log; ends with the last writer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the last words come after an interrupt
    os.close(writer)
    for standard in (0, 1, 2):  # whoever waits for the end of our output does not wait for us
        os.close(standard)
    with os.fdopen(reader, "rb") as lines:
        for line in lines:
            if not NATIVE_LINE.match(line):
                os.write(terminal, line)
    os._exit(0)
