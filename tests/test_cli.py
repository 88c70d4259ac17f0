"""The command line as its user meets it."""

import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest

from pmrnet.cli import main
from pmrnet.commands.registration import separate_refine


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
        (["train", "--dataset", "lpba40", "--method", "no-such"], "project's folder"),
        (["table", "--dataset", "lpba40"], "with a folder experiments/ in it, found none"),
        (["tables", "--dataset", "lpba40"], "project's folder"),
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


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        (
            '{"backend": "torch"}',
            "keras.json names 'torch', the networks run on tensorflow and jax",
        ),
        ('{"floatx": "float64"}', "sets floatx to 'float64', the networks take 'float32'. Change"),
        ('{"image_data_format": "channels_first"}', "sets image_data_format to 'channels_first'"),
    ],
)
def test_settings_of_keras_that_no_network_runs_with(
    setting, sentence, tmp_path, monkeypatch, capsys
):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "keras.json").write_text(setting)
    assert main(["register", "a.nii", "b.nii", "-o", str(tmp_path / "out")]) == 2
    assert sentence in capsys.readouterr().err
    # What runs no network is not concerned.
    assert main(["jacobian", "--transform", "x", "--reference", "no.nii", "-o", "y.nii"]) == 2
    assert "no.nii" in capsys.readouterr().err


def test_a_request_to_end_is_no_traceback_and_has_its_own_status(tmp_path):
    """By SIGTERM, in a process as the terminal starts it; no temporary file stays."""
    script = (
        "import time; from pathlib import Path; from pmrnet import cli, workflow\n"
        "from pmrnet.files import atomic_path\n"
        "def table(dataset):\n"
        "    with atomic_path(Path('out')) as temporary:\n"
        "        temporary.touch(); print('writing', flush=True); time.sleep(600)\n"
        "workflow.table = table; cli.main.__defaults__ = (['table'],); cli.command()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "writing\n"
        process.terminate()
        _, error = process.communicate(timeout=60)
    assert process.returncode == 143
    assert error == "stopped; the same command goes on from here.\n"
    assert not list(tmp_path.iterdir())


def test_an_interrupt_is_no_traceback(monkeypatch, capsys, tmp_path):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("pmrnet.workflow.table", interrupted)
    assert main(["table"]) == 130
    assert "goes on from here" in capsys.readouterr().err
    monkeypatch.setattr("pmrnet.calibration.study.calibrate", interrupted)
    assert main(["calibrate"]) == 130
    assert "goes on from here" in capsys.readouterr().err
    monkeypatch.setattr("pmrnet.transforms.load_chain", interrupted)
    image = tmp_path / "image.nii"
    nib.save(nib.Nifti1Image(np.zeros((7, 8, 9), np.uint8), np.eye(4)), image)
    names = ["--transform", "t.mat", "--reference", str(image), "-o", str(tmp_path / "j.nii")]
    assert main(["jacobian", *names]) == 130
    assert "goes on" not in capsys.readouterr().err


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


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("--refine a.nii.gz b.nii.gz", "--refine= a.nii.gz b.nii.gz"),
        ("--refine 001.nii.gz b.nii", "--refine= 001.nii.gz b.nii"),
        ("--refine -o out", "--refine= -o out"),
        ("a b --refine", "a b --refine="),
        ("--refine 20s a b", "--refine 20s a b"),
        ("--refine 100 a b", "--refine 100 a b"),
        ("--refine 2.5min a", "--refine 2.5min a"),
        ("--refine=30 a b", "--refine=30 a b"),
        ("", ""),
    ],
)
def test_refine_takes_a_budget_and_no_image(given, expected):
    assert separate_refine(given.split()) == expected.split()


def test_refine_before_the_images(tmp_path, capsys):
    assert main(["register", "-o", str(tmp_path / "out"), "--refine", "no.nii", "no.nii"]) == 2
    assert "no.nii" in capsys.readouterr().err


def test_what_the_system_refuses_is_said(tmp_path, capsys):
    name = tmp_path / ("x" * 300 + ".nii.gz")
    command = ["jacobian", "--transform", str(name), "--reference", str(name), "-o"]
    assert main([*command, str(tmp_path / "j.nii.gz")]) == 2
    assert "File name too long" in capsys.readouterr().err
