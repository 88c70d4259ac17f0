import os

import pytest

from pmrnet.errors import InputError
from pmrnet.own_process import in_own_process


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


def test_a_process_that_is_killed_is_said_to_be():
    with pytest.raises(InputError, match="die of lpba40 to end, found its process killed"):
        in_own_process(die, "lpba40")
