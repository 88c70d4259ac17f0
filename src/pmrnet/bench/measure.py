"""The measurement: contenders take turns, so that a machine that drifts does so for all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
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
#: after these, the peak of a worker's memory is read; in this order, since peaks only grow
MEMORY_TASKS = ("registration", "training")
#: a turn lasts about this long, so that short tasks are repeated within it
TURN_SECONDS = 1.0


def measure(
    shape: tuple[int, ...],
    rounds: int,
    say: Callable[[str], None],
    tasks: Sequence[str] = tuple(TASKS),
) -> dict[str, Any]:
    """Seconds of every task, and peak memory, of all contenders at one shape.

    Every other contender is alive together with ours alone, and they take turns: so the machine
    needs memory for the two, and its drift enters neither ratio.

    Parameters
    ----------
    shape
        Shape of the images, multiples of 16.
    rounds
        Turns of every other contender in every task, and of ours against each of them.
    say
        Called with a line of progress now and then.
    tasks
        Keys of `TASKS`.

    Returns
    -------
    dict
        `shape`; `seconds`: task to contender to `way` (how it was called), `rounds` (mean seconds
        of each turn) and `median`; `ratios`: task to contender to `rounds` (its seconds by ours of
        the same round) and `median`; `memory`: contender to peak bytes of its fresh process with
        the libraries imported (`baseline`), after `registration` and after `training`.
    """
    tasks = [task for task in TASKS if task in tasks]
    seconds: dict[str, Any] = {task: {} for task in tasks}
    ratios: dict[str, Any] = {task: {} for task in tasks}
    memory: dict[str, dict[str, int]] = {}
    with Worker(OURS, shape) as ours:
        for contender in (MICCAI, STRIDED, DEFAULT):
            with Worker(contender, shape) as theirs:
                pair = {OURS: ours, contender: theirs}
                for name, worker in pair.items():
                    # Also so that no import disturbs a measurement.
                    memory.setdefault(name, {"baseline": worker.ask("memory")})
                for task in (task for task in tasks if contender in TASKS[task]):
                    say(f"{'x'.join(map(str, shape))}  {contender}  {task}")
                    _take_turns(pair, task, rounds, seconds[task])
                    turns = [seconds[task][name]["rounds"][-rounds:] for name in (contender, OURS)]
                    ratios[task][contender] = _with_median(
                        [a / b for a, b in zip(*turns, strict=True)]
                    )
                    if task in MEMORY_TASKS:
                        for name, worker in pair.items():
                            memory[name].setdefault(task, worker.ask("memory"))
    for of in seconds.values():
        for turns in of.values():
            turns |= _with_median(turns["rounds"])
    return {"shape": list(shape), "seconds": seconds, "ratios": ratios, "memory": memory}


def _take_turns(
    workers: dict[str, Worker], task: str, rounds: int, seconds: dict[str, Any]
) -> None:
    """Add the turns of these workers to `seconds`, preparing whoever has not done the task yet."""
    for name, worker in workers.items():
        if name not in seconds:
            way = worker.ask("prepare", task)
            once = worker.ask("run", task, 1)
            times = max(1, round(TURN_SECONDS / max(once, 1e-3)))
            seconds[name] = {"way": way, "times": times, "rounds": []}
    for _ in range(rounds):
        for name, worker in workers.items():
            time.sleep(0.05)  # let the last one's threads come to rest
            seconds[name]["rounds"].append(worker.ask("run", task, seconds[name]["times"]))


def _with_median(values: list[float]) -> dict[str, Any]:
    return {"rounds": [round(v, 5) for v in values], "median": round(statistics.median(values), 5)}
