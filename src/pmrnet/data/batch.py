"""Many subjects at a time: processes, a progress bar, and what becomes of those that fail."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from multiprocessing import active_children, get_context
from typing import Any, TypeVar

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pmrnet.end_with_parent import end_with_parent
from pmrnet.errors import InputError
from pmrnet.machine_limits import free_memory, usable_cores

Result = TypeVar("Result")

# Bytes that a subject takes at most while it is prepared: 0.55 GB on a grid of 1 mm.
_MEMORY = 600_000_000
# Of the sentences of failed subjects, so many are repeated at the end.
_SHOWN = 3


def run_batch(
    title: str,
    function: Callable[..., Result],
    jobs: Mapping[str, tuple[Any, ...]],
    processes: int | None = None,
    console: Console | None = None,
    notices: Callable[[Result], Iterable[str]] | None = None,
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
        Number of processes, this one alone if 1; as many as cores and memory allow if None.
    console
        Where progress and warnings go; the standard error if None.
    notices
        Given a result, warnings to print.

    Returns
    -------
    dict
        Results by subject, in the order of `jobs`.

    Raises
    ------
    Exception
        What `raise_failures` makes of the subjects that failed, after all others are done.
    """
    done, failed = try_batch(title, function, jobs, processes, console, notices)
    raise_failures(title, failed, len(jobs))
    return done


def try_batch(
    title: str,
    function: Callable[..., Result],
    jobs: Mapping[str, tuple[Any, ...]],
    processes: int | None = None,
    console: Console | None = None,
    notices: Callable[[Result], Iterable[str]] | None = None,
) -> tuple[dict[str, Result], dict[str, Exception]]:
    """Do as `run_batch`, but hand back what failed.

    A keyboard interrupt ends the other processes at once, whatever they are at.

    Parameters
    ----------
    title, function, jobs, processes, console, notices
        As in `run_batch`.

    Returns
    -------
    dict
        Results by subject, in the order of `jobs`.
    dict
        Exceptions of the other subjects, likewise.
    """
    console = console or Console(stderr=True)
    processes = processes or _processes()
    done: dict[str, Result] = {}
    failed: dict[str, Exception] = {}
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    outcomes = _outcomes(function, jobs, min(processes, len(jobs)))
    # Closed at once, also by an interrupt in this loop, since that is what ends the processes.
    with Progress(*columns, console=console) as progress, closing(outcomes):
        task = progress.add_task(title, total=len(jobs))
        for name, future in outcomes:
            error = future.exception()
            if error is None:
                done[name] = future.result()
                for text in notices(done[name]) if notices else ():
                    console.print(f"[yellow]Warning:[/] {escape(text)}")
            else:
                failed[name] = _explained(error)
                console.print(f"[red]Failed:[/] {escape(f'{name}: {failed[name]}')}")
            progress.advance(task)
    return (
        {name: done[name] for name in jobs if name in done},
        {name: failed[name] for name in jobs if name in failed},
    )


def raise_failures(title: str, failed: Mapping[str, Exception], total: int) -> None:
    """Raise what stands for all failures of a batch, if there are any.

    Parameters
    ----------
    title
        What the work is called.
    failed
        Exceptions by subject.
    total
        Number of subjects, those that worked included.

    Raises
    ------
    InputError
        That of a single subject if it is the only one, else one that lists the first few and says
        how many are done.
    Exception
        The first that is no `InputError`, if there is one: the program is at fault then.
    """
    if not failed:
        return
    for error in failed.values():
        if total == 1 or not isinstance(error, InputError):
            raise error
    told = [f"{name} ({str(error).rstrip('.')})" for name, error in failed.items()][:_SHOWN]
    more = f"; and {len(failed) - _SHOWN} more" if len(failed) > _SHOWN else ""
    raise InputError(
        f"{title}: expected all {total} subjects to work, found {len(failed)} that failed, while "
        f"{total - len(failed)} are done: {'; '.join(told)}{more}; correct what these say and run "
        "again, which keeps what is done."
    )


def _outcomes(
    function: Callable[..., Result], jobs: Mapping[str, tuple[Any, ...]], processes: int
) -> Iterator[tuple[str, Future[Result]]]:
    """Names and finished calls as they come."""
    if processes <= 1:
        for name, arguments in jobs.items():
            future: Future[Result] = Future()
            try:
                future.set_result(function(*arguments))
            except Exception as error:
                future.set_exception(error)
            yield name, future
        return
    others = set(active_children())
    # Not "fork": SimpleITK and BLAS threads of this process do not survive one.
    with ProcessPoolExecutor(
        processes, mp_context=get_context("spawn"), initializer=_begin_worker
    ) as pool:
        futures = {pool.submit(function, *arguments): name for name, arguments in jobs.items()}
        try:
            for future in as_completed(futures):
                yield futures[future], future
        except BaseException:
            # Not asked but ended: in the middle of SimpleITK they would not listen for minutes.
            # Whatever they write appears under its name only when it is whole.
            for process in set(active_children()) - others:
                process.terminate()
            pool.shutdown(cancel_futures=True)
            raise


def _begin_worker() -> None:
    end_with_parent()
    # A terminal sends Ctrl-C to all processes, each of which would print a traceback.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _explained(error: BaseException) -> Exception:
    if isinstance(error, BrokenProcessPool):
        return InputError(
            "Processes: expected them to finish, found that the system ended one, as it does when "
            "memory runs out; use fewer at a time (`pmrnet data --processes 1`)."
        )
    return error


def _processes() -> int:
    """As many as there are cores, and as have room, a container's limits included."""
    return max(1, min(int(usable_cores()), free_memory() // _MEMORY))
