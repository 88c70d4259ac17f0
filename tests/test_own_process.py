import os
import signal
import threading
import time

import pytest

from pmrnet.errors import InputError
from pmrnet.files import atomic_path
from pmrnet.own_process import in_own_process
from pmrnet.termination import Terminated, raise_when_terminated


def refuse(what):
    raise InputError(f"Expected something else than {what}.")


def die(_):
    os._exit(9)


def other_process(number):
    return number + 1, os.getpid()


def test_the_function_runs_elsewhere_and_its_result_comes_back():
    value, process = in_own_process(other_process, 41)
    assert value == 42
    assert process != os.getpid()


def test_a_mistake_comes_back_as_it_was():
    with pytest.raises(InputError, match=r"^Expected something else than this\.$"):
        in_own_process(refuse, "this")


def wait(path):
    with atomic_path(path) as temporary:
        temporary.touch()
        time.sleep(600)


def test_a_request_to_end_reaches_the_process(tmp_path):
    """SIGTERM to this one alone, as `kill` sends it, ends both, and no temporary file stays."""

    def ask():
        while not any(tmp_path.iterdir()):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    raise_when_terminated()
    threading.Thread(target=ask, daemon=True).start()
    try:
        with pytest.raises(Terminated):
            in_own_process(wait, tmp_path / "result")
    finally:
        signal.signal(signal.SIGTERM, before)
    assert not list(tmp_path.iterdir())


def test_a_process_that_is_killed_is_said_to_be():
    with pytest.raises(InputError, match="die of lpba40 to end, found its process killed"):
        in_own_process(die, "lpba40")
