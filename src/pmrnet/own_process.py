"""Running a function in a process of its own, which gives all of its memory back."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from pmrnet.end_with_parent import end_with_parent
from pmrnet.errors import InputError
from pmrnet.termination import Terminated, raise_when_terminated


def in_own_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a fresh process and return what it returns.

    Parameters
    ----------
    function : callable
        Of a module, as are arguments and result: they go from process to process.
    *arguments : object

    Returns
    -------
    object

    Raises
    ------
    InputError
        If the process dies, most likely killed for want of memory.
    Exception
        What the function raises.
    """
    # Spawned: what TensorFlow has begun in this process does not survive a fork.
    context = multiprocessing.get_context("spawn")
    try:
        others = set(multiprocessing.active_children())
        with ProcessPoolExecutor(1, mp_context=context, initializer=_begin) as pool:
            try:
                return pool.submit(function, *arguments).result()
            except Terminated:  # which, other than Ctrl-C, is told to one process alone
                for process in set(multiprocessing.active_children()) - others:
                    process.terminate()
                raise
    except BrokenProcessPool as error:
        raise InputError(
            f"Expected {function.__name__} of {', '.join(map(str, arguments))} to end, found its "
            "process killed, most likely for want of memory: close other programs, then run the "
            "same command again."
        ) from error


def _begin() -> None:
    end_with_parent()
    raise_when_terminated()
