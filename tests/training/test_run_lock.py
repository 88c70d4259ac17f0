"""Two processes and one run's folder."""

import subprocess
import sys

import pytest
from filelock import FileLock

from pmrnet.errors import InputError
from pmrnet.training.run_lock import run_lock

HOLD = """
import sys, time
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


def test_another_process_is_refused_until_the_first_ends_even_by_a_kill(tmp_path):
    folder = tmp_path / "runs" / "one"
    with run_lock(folder):
        pass  # makes it
    command = [sys.executable, "-c", HOLD, str(folder / "train.lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout.readline() == "held\n"
            with (
                pytest.raises(InputError, match=r"one: expected no other training") as error,
                run_lock(folder),
            ):
                pytest.fail("two processes in one folder")
            assert "\n" not in str(error.value)
            with run_lock(tmp_path / "runs" / "two"):
                pass  # another folder is free
        finally:
            other.kill()
    with run_lock(folder):
        pass


def test_an_error_in_the_block_frees_the_folder(tmp_path):
    for _ in range(2):
        with pytest.raises(KeyError), run_lock(tmp_path):
            raise KeyError


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    def unsupported(self, **kwargs):
        raise NotImplementedError

    monkeypatch.setattr(FileLock, "acquire", unsupported)
    with run_lock(tmp_path):
        pass
