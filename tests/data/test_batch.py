import io
import math
import os
import signal
import subprocess
import sys
import time

import pytest
from rich.console import Console

from pmrnet.data import batch
from pmrnet.data.batch import raise_failures, run_batch, try_batch
from pmrnet.errors import InputError


def root(value):
    """Root of a number, for which some are bad input."""
    if value < 0:
        raise InputError(f"{value}: expected a number with a [bold]root[/], found none; take 4.")
    return math.sqrt(value)


def end_of_the_process(value):
    if value < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return value


def console():
    return Console(file=io.StringIO(), width=200)


@pytest.mark.parametrize("processes", [1, 2])
def test_results_in_the_order_given_and_warnings_on_the_console(processes):
    shown = console()
    result = run_batch(
        "Roots",
        math.sqrt,
        {"b": (4.0,), "a": (9.0,), "c": (16.0,)},
        processes=processes,
        console=shown,
        notices=lambda root: ["it is [3]", "once more"] if root == 3 else [],
    )
    assert list(result.items()) == [("b", 2.0), ("a", 3.0), ("c", 4.0)]
    text = shown.file.getvalue()
    assert "Warning: it is [3]" in text
    assert "Warning: once more" in text
    assert text.count("Warning") == 2
    assert "3/3" in text


@pytest.mark.parametrize("processes", [1, 2])
def test_a_failure_does_not_stop_the_others(processes):
    jobs = {"a": (-1,), "b": (4,), "c": (-2,), "d": (9,)}
    shown = console()
    done, failed = try_batch("Roots", root, jobs, processes, shown)
    assert done == {"b": 2, "d": 3}
    assert list(failed) == ["a", "c"]
    assert str(failed["c"]) == "-2: expected a number with a [bold]root[/], found none; take 4."
    assert "Failed: a: -1: expected a number with a [bold]root[/]" in shown.file.getvalue()
    message = (
        r"^Roots: expected all 4 subjects to work, found 2 that failed, while 2 are done: "
        r"a \(-1: .*take 4\); c \(-2: .*take 4\); correct .* keeps what is done\.$"
    )
    with pytest.raises(InputError, match=message):
        run_batch("Roots", root, jobs, processes, console())


def test_of_many_failures_the_first_few_are_told():
    failed = {f"s{i}": InputError(f"{i} is wrong.") for i in range(5)}
    with pytest.raises(InputError, match=r"s0 \(0 is wrong\); .*s2 \(2 is wrong\); and 2 more;"):
        raise_failures("Roots", failed, 40)
    raise_failures("Roots", {}, 40)


def test_a_single_subject_fails_with_its_own_sentence():
    with pytest.raises(InputError, match=r"^-1: expected a number"):
        run_batch("Roots", root, {"a": (-1,)}, console=console())


@pytest.mark.parametrize("processes", [1, 2])
def test_an_error_of_the_program_is_raised_as_it_is_after_the_others(processes):
    jobs = {"a": (1.0,), "b": (-1.0,), "c": (4.0,)}
    shown = console()
    with pytest.raises(ValueError, match="math domain") as caught:
        run_batch("Roots", math.sqrt, jobs, processes, shown)
    assert not isinstance(caught.value, InputError)
    assert "3/3" in shown.file.getvalue()


def test_a_killed_process_is_explained():
    jobs = {"a": (-1,), "b": (1,), "c": (2,)}
    with pytest.raises(InputError, match="as it does when memory runs out; use fewer at a time"):
        run_batch("Waiting", end_of_the_process, jobs, 2, console())


@pytest.mark.parametrize("processes", [1, 2])
def test_interrupt_stops_at_once(tmp_path, processes):
    # Where the tests themselves run in the background, the signal would be ignored by inheritance.
    script = f"""
import signal, sys, time
from pathlib import Path
from pmrnet.data.batch import run_batch
signal.signal(signal.SIGINT, signal.default_int_handler)

def wait(name):
    Path({str(tmp_path)!r}, name).touch()
    time.sleep(60)

if __name__ == "__main__":
    try:
        run_batch("Waiting", wait, {{n: (n,) for n in "abcd"}}, {processes})
    except KeyboardInterrupt:
        sys.exit(130)
"""
    (tmp_path / "script.py").write_text(script)
    # A group of its own, all of which a terminal would signal.
    process = subprocess.Popen([sys.executable, tmp_path / "script.py"], start_new_session=True)
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("?"))) < processes and time.monotonic() < deadline:
        time.sleep(0.05)
    began = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=30) == 130
    assert time.monotonic() - began < 20
    assert len(list(tmp_path.glob("?"))) == processes
    while group_is_left(process.pid) and time.monotonic() - began < 20:
        time.sleep(0.05)
    assert not group_is_left(process.pid)


def group_is_left(number):
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    ("cores", "memory", "processes"), [(64, 8e9, 13), (2, 8e9, 2), (1.5, 8e9, 1), (4, 1e8, 1)]
)
def test_as_many_processes_as_the_container_allows(monkeypatch, cores, memory, processes):
    monkeypatch.setattr(batch, "usable_cores", lambda: cores)
    monkeypatch.setattr(batch, "free_memory", lambda: int(memory))
    assert batch._processes() == processes
