"""The command line as its user meets it."""

import subprocess
import sys

import pytest

from pmrnet.cli import main


def test_help_names_the_commands(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    for command in ("data", "train", "evaluate", "table", "demo"):
        assert command in text


def test_help_needs_no_tensorflow():
    code = (
        "import sys; from pmrnet.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "assert 'tensorflow' not in sys.modules and 'keras' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train", "--dataset", "no-such"], "no-such"),
        (["train", "--dataset", "lpba40", "--method", "no-such"], "no-such.yaml"),
        (["evaluate", "--dataset", "lpba40", "--method", "affine"], "make data DATASET=lpba40"),
        (["data", "--dataset", "lpba40", "--raw", "nowhere"], "nowhere"),
        (["data", "--dataset", "nothing"], "Expected the name of a protocol"),
    ],
)
def test_a_mistake_is_one_sentence_and_status_2(arguments, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert sentence in error
    assert "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_is_no_traceback(monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("pmrnet.workflow.table", interrupted)
    assert main(["table"]) == 130
    assert "goes on from here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("body", "status", "out", "error"),
    [
        ("return 'a' * 100_000", 0, "a" * 100_000 + "\n", ""),
        ("raise InputError('expected this, found that.')", 2, "", "error: expected this, found"),
        ("raise OSError('no space')", 1, "", "OSError: no space"),
    ],
)
def test_the_terminals_command_says_all_and_ends_with_the_status(body, status, out, error):
    code = (
        "import sys; from pmrnet import cli, workflow; from pmrnet.errors import InputError\n"
        f"def table(*_, **__):\n    {body}\n"
        "workflow.table = table; sys.argv = ['pmrnet', 'table']\n"
        "cli.command()\n"
        "print('never here')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert done.stdout == out
    assert error in done.stderr
