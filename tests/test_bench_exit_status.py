"""How a benchmark ends."""

import pytest

from pmrnet.bench.exit_status import exit_status
from pmrnet.errors import InputError


def test_a_mistake_is_a_sentence_and_status_2(capsys):
    def run(*arguments):
        raise InputError(f"expected nothing, found {arguments}; leave it out.")

    assert exit_status(run, 1, "b") == 2
    assert capsys.readouterr().err == "error: expected nothing, found (1, 'b'); leave it out.\n"


def test_all_well_is_0(capsys):
    seen = []
    assert exit_status(lambda *arguments: seen.append(arguments), 1, "b") == 0
    assert seen == [(1, "b")]
    assert capsys.readouterr().err == ""


def test_what_is_no_users_mistake_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        exit_status(lambda: 1 / 0)
