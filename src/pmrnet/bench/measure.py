"""The measurement: contenders take turns, so that a machine that drifts does so for all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from pmrnet.bench.worker import Worker

OURS = "pmrnet"
MICCAI, STRIDED, DEFAULT = (
    "voxelmorph-miccai2018",
    "voxelmorph-2018-strided",
    "voxelmorph-default",
)
#: who takes part in what; VoxelMorph's fields are the same layers whatever the network
TASKS: dict[str, tuple[str, ...]] = {
    "registration": (OURS, MICCAI, STRIDED, DEFAULT),
    "training": (OURS, MICCAI, STRIDED, DEFAULT),
    "integration": (OURS, MICCAI),
    "integration_gradient": (OURS, MICCAI),
    "warp": (OURS, MICCAI),
    "warp_gradient": (OURS, MICCAI),
}
#: a turn lasts about this long, so that short tasks are repeated within it
TURN_SECONDS = 1.0


def measure(
    shape: tuple[int, ...],
    rounds: int,
    say: Callable[[str], None],
    tasks: Sequence[str] = tuple(TASKS),
) -> dict[str, Any]:
    """Seconds of every task, and peak memory, of all contenders at one shape.

    Parameters
    ----------
    shape
        Shape of the images, multiples of 16.
    rounds
        Turns of every contender in every task.
    say
        Called with a line of progress now and then.
    tasks
        Keys of `TASKS`.

    Returns
    -------
    dict
        `shape`; `seconds`: task to contender to `way` (how it was called), `rounds` (mean seconds
        of each turn) and `median`; `ratios`: task to contender to `rounds` (its seconds by ours of
        the same round) and `median`; `memory`: contender to peak bytes of `baseline` (libraries
        imported), `registration` and `training`.
    """
    memory = {contender: _memory(contender, shape, say) for contender in TASKS["training"]}
    seconds: dict[str, Any] = {}
    with ExitStack() as stack:
        workers = {c: stack.enter_context(Worker(c, shape)) for c in TASKS["training"]}
        for worker in workers.values():
            worker.ask("ready")  # so that no import disturbs a measurement
        for task in tasks:
            say(f"{_text(shape)}  {task}")
            seconds[task] = _take_turns({c: workers[c] for c in TASKS[task]}, task, rounds)
    ratios = {
        task: {
            contender: _with_median(
                [
                    theirs / ours
                    for theirs, ours in zip(turns["rounds"], of[OURS]["rounds"], strict=True)
                ]
            )
            for contender, turns in of.items()
            if contender != OURS
        }
        for task, of in seconds.items()
    }
    return {"shape": list(shape), "seconds": seconds, "ratios": ratios, "memory": memory}


def _memory(contender: str, shape: tuple[int, ...], say: Callable[[str], None]) -> dict[str, int]:
    """Peak of a fresh process that registers, then trains: training is the larger for all."""
    say(f"{_text(shape)}  memory of {contender}")
    with Worker(contender, shape) as worker:
        worker.ask("prepare", "registration")
        registered = worker.ask("memory")
        worker.ask("prepare", "training")
        return {
            "baseline": registered["baseline"],
            "registration": registered["peak"],
            "training": worker.ask("memory")["peak"],
        }


def _take_turns(workers: dict[str, Worker], task: str, rounds: int) -> dict[str, Any]:
    ways = {contender: worker.ask("prepare", task) for contender, worker in workers.items()}
    times = {
        contender: max(1, round(TURN_SECONDS / max(worker.ask("run", task, 1), 1e-3)))
        for contender, worker in workers.items()
    }
    turns: dict[str, list[float]] = {contender: [] for contender in workers}
    for _ in range(rounds):
        for contender, worker in workers.items():
            time.sleep(0.05)  # let the last one's threads come to rest
            turns[contender].append(worker.ask("run", task, times[contender]))
    return {c: {"way": ways[c], "times": times[c], **_with_median(turns[c])} for c in workers}


def _with_median(values: list[float]) -> dict[str, Any]:
    return {"rounds": [round(v, 5) for v in values], "median": round(statistics.median(values), 5)}


def _text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
