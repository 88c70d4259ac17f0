"""A process that holds one contender and runs its tasks when told to, over a pipe."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any


class Worker:
    """A contender in a fresh process of its own, which waits unless it is asked.

    Parameters
    ----------
    contender
        A key of `contenders.CONTENDERS`.
    shape
        Shape of the images.
    """

    def __init__(self, contender: str, shape: tuple[int, ...]) -> None:
        # Spawned, not forked: TensorFlow must start afresh, and the memory of a fork would count.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, contender, shape), daemon=True)
        self._process.start()
        theirs.close()

    def ask(self, request: str, *arguments: Any) -> Any:
        """Send a request to the process and wait for its answer.

        Parameters
        ----------
        request
            `prepare` a task: build it, run it once to compile and once more, choose the faster way
            where there are several, and return the name of that way; `run` a task a number of
            times and return the mean seconds; `memory`, the peak so far in bytes, which asked first
            is that of the imported libraries.

        Raises
        ------
        RuntimeError
            If the process fails.
        """
        try:
            self._pipe.send((request, *arguments))
            answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            self._process.join(10)
            raise RuntimeError(
                f"a worker ended with status {self._process.exitcode} during {request} "
                f"{arguments}; it may have run out of memory"
            ) from error
        if isinstance(answer, Exception):
            raise RuntimeError(f"a worker failed during {request} {arguments}") from answer
        return answer

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join(30)
        if self._process.is_alive():
            self._process.kill()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _serve(pipe: Connection, contender: str, shape: tuple[int, ...]) -> None:
    os.environ |= {
        "KERAS_BACKEND": "tensorflow",
        "TF_USE_LEGACY_KERAS": "1",  # before TensorFlow is imported; Keras 3 does not mind
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    # TensorFlow's messages; an error comes back over the pipe.
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    server = None
    while True:
        try:
            request, *arguments = pipe.recv()
        except EOFError:
            return
        try:
            server = server or _Server(contender, shape)
            pipe.send(getattr(server, request)(*arguments))
        except Exception:
            pipe.send(RuntimeError(f"{contender}: {traceback.format_exc()}"))


class _Server:
    def __init__(self, contender: str, shape: tuple[int, ...]) -> None:
        from pmrnet.bench.contenders import CONTENDERS
        from pmrnet.bench.tasks import Inputs

        if contender.startswith("voxelmorph"):
            from pmrnet.voxelmorph_compat import import_voxelmorph

            import_voxelmorph()
        else:
            importlib.import_module("pmrnet.nn.pmrnet")
        self._build = lambda: CONTENDERS[contender](Inputs(shape))
        self._tasks: dict[str, Callable[[], Any]] = {}
        self._builders: dict[str, Callable] | None = None

    def memory(self) -> int:
        return peak_memory()

    def prepare(self, task: str) -> str:
        if self._builders is None:
            self._builders = self._build()
        build = self._builders.get(task)
        ways = build() if build else self._builders["fields"]()[task]
        seconds = {}
        for name, way in ways.items():
            way()  # traces and compiles
            seconds[name] = min(_timed(way), _timed(way) if len(ways) > 1 else float("inf"))
        best = min(seconds, key=seconds.__getitem__)
        self._tasks[task] = ways[best]
        return best

    def run(self, task: str, times: int) -> float:
        return sum(_timed(self._tasks[task]) for _ in range(times)) / times


def _timed(function: Callable[[], Any]) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def peak_memory() -> int:
    """Largest resident size of this process so far, bytes (`ru_maxrss`)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
