"""Registration of many pairs: what all share is paid once, and a pair that fails stops no other."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pmrnet.batch_table import TABLE, BatchTable
from pmrnet.brain_files import BrainFiles
from pmrnet.data.prepared import describe_inputs, without_paths
from pmrnet.errors import InputError
from pmrnet.pair_job import ALIGNMENTS, PairJob, align_one, options_of, register_pair, remember
from pmrnet.pairs_csv import Pair, read_pairs
from pmrnet.registration import DEFAULT_WEIGHTS
from pmrnet.registration_method import IDENTITY, load_method
from pmrnet.result_folder import check_folder
from pmrnet.weights.passes import Passes
from pmrnet.weights.temperature import choose_temperature

if TYPE_CHECKING:
    from pmrnet.refinement_settings import Refinement


#: number of the kind of results; raised when the same inputs and options would give others
_RESULTS = 1


def run_pairs(
    pairs_csv: str | PathLike,
    out: str | PathLike,
    *,
    weights: str | PathLike = DEFAULT_WEIGHTS,
    workers: int = 0,
    scheduler: str | None = None,
    refine: Refinement | None = None,
    passes: Passes | None = None,
    symmetric: bool = False,
    temperature: float | str | None = None,
    strip: bool = False,
    format: str = "itk",
    uncertainty: bool = True,
    report: bool = True,
    overwrite: bool = False,
    console: Console | None = None,
) -> int:
    """Register the pairs of a CSV file; run again, it goes on where it was stopped.

    Parameters
    ----------
    pairs_csv
        See `pmrnet.pairs_csv.read_pairs`.
    out
        Folder of the results: one folder a pair, as `pmrnet.registration_files.save` writes it, and
        the table `results.csv`.
    weights, refine, passes, symmetric, temperature, strip
        As in `pmrnet.register`; a brain of several pairs is stripped once.
    workers
        Processes of Dask on this machine; 0 works in this process and needs no Dask.
    scheduler
        Address of a Dask scheduler whose workers see the same files under the same paths.
    format, uncertainty, report
        As in `pmrnet.registration_files.save`.
    overwrite
        Replace results of other inputs, weights or options. Those of the same are always kept.
    console
        Where progress goes; the standard error if None.

    Returns
    -------
    int
        How many pairs failed; the table says why.

    Raises
    ------
    InputError
        Before any work: if the list, the weights or the folder cannot be used.
    """
    if workers < 0:
        raise InputError(f"Workers: expected 0 or more, found {workers}; give how many processes.")
    out = Path(out).absolute()
    console = console or Console(file=sys.stderr)
    pairs = read_pairs(Path(pairs_csv))
    table = BatchTable(out / TABLE, [pair.name for pair in pairs])
    model = load_method(weights, refine, passes, temperature, symmetric=symmetric)
    remember(model)
    weights = str(Path(weights).absolute()) if str(weights).endswith(".json") else str(weights)
    options = {"format": format, "uncertainty": uncertainty, "report": report}
    options["temperature"] = choose_temperature(temperature, model.description)
    options["refine"] = None if refine is None else asdict(refine)
    options |= options_of(model)
    options = json.loads(json.dumps(options))  # tuples become the lists that a record holds
    options["results"] = _RESULTS
    jobs = _jobs(pairs, out, weights, refine, strip, options, overwrite)
    unfinished = []
    for job in jobs:
        if not (job.finished and _entered(table, job)):
            check_folder(job.folder, overwrite)
            unfinished.append(job)
    table.write()
    names = [pair.name for pair in pairs]
    with _progress(console) as progress:
        task = progress.add_task(
            "registering", total=len(jobs), completed=len(jobs) - len(unfinished)
        )
        with closing(_outcomes(unfinished, workers, scheduler)) as outcomes:
            for job, future in outcomes:
                _enter(table, job, future, console)
                table.write()
                progress.advance(task)
    failed, before = table.count("failed", names), len(names) - len(unfinished)
    console.print(
        f"{len(names) - failed} of {len(names)} pairs are done"
        + (f", of them {before} from before" if 0 < before < len(names) else "")
        + (f"; {failed} failed" if failed else "")
        + (f"; {warned} with warnings, see {TABLE}" if (warned := table.warned(names)) else "")
    )
    return failed


def _jobs(
    pairs: Sequence[Pair],
    out: Path,
    weights: str,
    refine: Refinement | None,
    strip: bool,
    options: Mapping[str, Any],
    overwrite: bool,
) -> list[PairJob]:
    brains: dict[tuple[Path, Path | None], BrainFiles] = {}
    jobs = []
    for pair in pairs:
        own = {}
        for role in ("moving", "fixed"):
            files = getattr(pair, role), getattr(pair, f"{role}_mask")
            if files not in brains:
                brains[files] = BrainFiles.read(*files, strip)
            own[role] = brains[files]
        labels = {
            role: path
            for role in ("moving_labels", "fixed_labels")
            if (path := getattr(pair, role)) is not None
        }
        identity = {role: dict(brain.checksums) for role, brain in own.items()}
        identity |= without_paths(describe_inputs(labels)) | options
        brains_of = own["moving"], own["fixed"]
        folder = out / pair.name
        jobs.append(PairJob(pair, *brains_of, folder, weights, refine, identity, overwrite))
    return jobs


def _outcomes(
    jobs: Sequence[PairJob], workers: int, scheduler: str | None
) -> Iterator[tuple[PairJob, Future]]:
    """Jobs and their finished calls as they come."""
    if not jobs or (workers == 0 and scheduler is None):
        for job in jobs:
            future: Future[float] = Future()
            try:
                future.set_result(register_pair(job))
            except Exception as error:
                future.set_exception(error)
            yield job, future
        return
    from pmrnet.dask_cluster import dask_client

    with dask_client(min(workers, len(jobs)), scheduler) as client:
        yield from _dask_outcomes(client, jobs)


def _dask_outcomes(client: Any, jobs: Sequence[PairJob]) -> Iterator[tuple[PairJob, Future]]:
    from distributed import as_completed

    aligned: dict[str, Any] = {}
    futures = {}
    for job in jobs:
        pair = () if job.weights == IDENTITY else (job.moving, job.fixed)
        brains = {brain.key: brain for brain in pair}
        for key, brain in brains.items():
            if key not in aligned:
                kept = job.folder.parent / ALIGNMENTS
                aligned[key] = client.submit(align_one, brain, kept, pure=False)
        waits_for = [aligned[key] for key in brains]
        futures[client.submit(register_pair, job, waits_for, pure=False)] = job
    try:
        for future in as_completed(futures):
            yield futures[future], future
    finally:
        # Of another's scheduler the workers live on: they shall not work for nobody.
        client.cancel([*futures, *aligned.values()])


def _entered(table: BatchTable, job: PairJob, seconds: float | None = None) -> bool:
    """Write down that a pair is done; not if its record is gone, as while others replace it."""
    try:
        table.done(job.pair.name, job.folder, seconds)
    except (OSError, ValueError, KeyError):
        return False
    return True


def _enter(table: BatchTable, job: PairJob, future: Future, console: Console) -> None:
    """Write down what became of a pair, and say what failed."""
    name, error = job.pair.name, future.exception()
    if error is None and not _entered(table, job, future.result()):
        error = InputError(
            f"{job.folder}: expected the results that were just written, found that they are being "
            "replaced or gone; run the same command again."
        )
    if error is None:
        if not console.is_terminal:  # a log file has no bar
            console.print(f"{escape(name)}: done in {future.result():.1f} s")
        return
    if isinstance(error, InputError):
        message = str(error)
    else:
        text = " ".join(str(error).split()).rstrip(".")
        message = (
            f"expected the pair to work, found an unexpected {type(error).__name__} ({text}); run "
            "`pmrnet register` on it to see where, or give the workers more memory if one died."
        )
    table.failed(name, message)
    console.print(f"[red]Failed:[/] {escape(f'{name}: {message}')}", soft_wrap=True)


def _progress(console: Console) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    # Pairs take longer than the seconds that Rich looks back by default.
    return Progress(*columns, console=console, speed_estimate_period=3600)
