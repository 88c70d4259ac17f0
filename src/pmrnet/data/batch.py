"""Many subjects at a time: processes, a progress bar, and an orderly end when one of them fails."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Result = TypeVar("Result")


def run_batch(
    title: str,
    function: Callable[..., Result],
    jobs: Mapping[str, tuple[Any, ...]],
    processes: int | None = None,
    console: Console | None = None,
    notice: Callable[[Result], str | None] | None = None,
) -> dict[str, Result]:
    """Call a function once per subject, several at a time.

    Parameters
    ----------
    title
        What the progress bar calls the work.
    function
        A function of a module, so that other processes find it.
    jobs
        Its arguments, by subject.
    processes
        Number of processes, this one alone if 1; the number of usable cores if None.
    console
        Where progress and warnings go; the standard error if None.
    notice
        Given a result, a warning to print, or None.

    Returns
    -------
    dict
        Results by subject, in the order of `jobs`.

    Raises
    ------
    Exception
        What the function raised for one of the subjects. Those that were running are finished
        first, those that were waiting are not begun.
    """
    console = console or Console(stderr=True)
    processes = processes or _usable_cores()
    done: dict[str, Result] = {}
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(title, total=len(jobs))
        for name, result in _results(function, jobs, min(processes, len(jobs))):
            done[name] = result
            if notice is not None and (text := notice(result)):
                console.print(f"[yellow]Warning:[/] {text}")
            progress.advance(task)
    return {name: done[name] for name in jobs}


def _results(
    function: Callable[..., Result], jobs: Mapping[str, tuple[Any, ...]], processes: int
) -> Iterator[tuple[str, Result]]:
    """Names and results as they come."""
    if processes <= 1:
        for name, arguments in jobs.items():
            yield name, function(*arguments)
        return
    # Not "fork": SimpleITK and BLAS threads of this process do not survive one.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(function, *arguments): name for name, arguments in jobs.items()}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _usable_cores() -> int:
    # Only Linux tells how many of the machine's cores this process may use.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
