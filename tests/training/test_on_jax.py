"""Training on the JAX backend: tests of whole runs once more, in a process of that backend."""

import subprocess
import sys
from pathlib import Path

import pytest

from backend_processes import environment, needs_jax

RUNS = Path(__file__).with_name("test_run.py")
AGAIN = (
    "test_a_killed_training_ends_as_an_uninterrupted_one",
    "test_goes_on_from_weights_of_fewer_passes",
    "test_labels_of_training_subjects_enter_the_loss",
)


@needs_jax
@pytest.mark.slow
def test_trainings_run_and_resume_on_jax():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *(f"{RUNS}::{name}" for name in AGAIN)],
        env=environment("jax"),
        cwd=RUNS.parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    assert f"{len(AGAIN)} passed" in done.stdout
