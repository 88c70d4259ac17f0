"""Which Python `make` takes on machines that have some, one or none."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def machine(tmp_path):
    """Run `make` for the core environment where certain Pythons work and others are broken."""
    make = shutil.which("make")
    if make is None or not (ROOT / "Makefile").is_file():
        pytest.skip("wants make, and the project's folder")

    def run(works, broken=(), *options):
        for number, status in [(n, 0) for n in works] + [(n, 127) for n in broken]:
            python = tmp_path / f"python{number}"
            python.write_text(f"#!/bin/sh\nexit {status}\n")
            python.chmod(0o755)
        command = [make, *options, f"VENV={tmp_path}/venv", f"{tmp_path}/venv/.core"]
        return subprocess.run(
            command, cwd=ROOT, env={"PATH": str(tmp_path)}, capture_output=True, text=True
        )

    return run


def test_the_first_that_runs_is_taken(machine):
    found = machine(["3.12", "3.13"], ["3.11"], "-n")
    assert found.returncode == 0
    assert "\npython3.12 -m venv" in found.stdout


def test_none_is_said_and_nothing_is_begun(machine, tmp_path):
    found = machine([], ["3.12"])
    assert found.returncode != 0
    assert "expected python3.11, python3.12 or python3.13, found none" in found.stdout
    assert not (tmp_path / "venv").exists()


def test_one_that_is_named_is_taken(machine):
    found = machine(["3.11"], [], "-n", "PYTHON=/opt/python")
    assert "/opt/python -m venv" in found.stdout
