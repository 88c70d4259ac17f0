"""Worker processes that do not outlive who started them."""

from __future__ import annotations

import multiprocessing
import os
import threading


def end_with_parent() -> None:
    """End this process as soon as its parent is gone; for the initializer of a pool.

    A parent that is killed cannot tell its workers, which would wait for work for ever: they hold
    both ends of the pipe that it comes through.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_wait, args=(parent,), daemon=True).start()


def _wait(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    # At once: what is half written has a temporary name.
    os._exit(1)
