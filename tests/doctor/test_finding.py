"""How findings are told."""

import io

import pytest
from rich.console import Console

from pmrnet.doctor import Finding, report
from pmrnet.doctor.finding import some


def told(findings, width=60):
    console = Console(file=io.StringIO(), width=width)
    status = report(findings, console)
    return status, console.file.getvalue()


@pytest.mark.parametrize(
    ("levels", "status", "last"),
    [
        ([], 0, "Nothing wrong in 0 findings."),
        (["ok"], 0, "Nothing wrong in 1 findings."),
        (["ok", "warning"], 0, "1 warning in 2 findings."),
        (["warning", "error", "error"], 1, "2 errors and 1 warning in 3 findings."),
    ],
)
def test_status_and_count(levels, status, last):
    found, text = told(Finding(level, "x") for level in levels)
    assert found == status
    assert text.splitlines()[-1] == last


def test_lines():
    findings = [
        Finding("ok", "Fine."),
        Finding("warning", "a [b] is wrong", "Mend [bold]a[/bold]."),
    ]
    lines = [line.rstrip() for line in told(findings)[1].splitlines()]
    assert lines[:3] == ["ok      Fine.", "warning a [b] is wrong", "        Mend [bold]a[/bold]."]


def test_long_lines_lose_nothing():
    path = "/a" * 60
    _, text = told([Finding("error", path)], width=40)
    assert path in "".join(line[6:].strip() for line in text.splitlines()[:-1])


def test_it_can_be_printed_where_there_is_only_ascii():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    report([Finding("error", "x", "y")], Console(file=stream, force_terminal=True))


def test_some():
    assert some(["a", "b"]) == "a, b"
    assert some(range(9)) == "0, 1, 2, 3, 4, 5 and 3 more"
