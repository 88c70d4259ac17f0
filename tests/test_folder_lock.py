"""Two processes and one folder."""

import subprocess
import sys
import threading
import time

import pytest
from filelock import FileLock

from pmrnet.errors import InputError
from pmrnet.folder_lock import LOCK, folder_lock

HOLD = """
import sys, time
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


def test_another_process_is_refused_until_the_first_ends_even_by_a_kill(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path / LOCK)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout.readline() == "held\n"
            sentence = f"{tmp_path}: expected no other painting in this folder"
            with (
                pytest.raises(InputError, match=sentence) as error,
                folder_lock(tmp_path, "painting"),
            ):
                pytest.fail("two processes in one folder")
            assert "\n" not in str(error.value)
            with folder_lock(tmp_path / "other", "painting"):
                pass  # another folder is free
        finally:
            other.kill()
    assert (tmp_path / LOCK).exists()  # left by the kill, and no hindrance
    with folder_lock(tmp_path, "painting"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_who_waits_comes_next(tmp_path):
    turns = []

    def take(name, seconds):
        with folder_lock(tmp_path, "painting", wait_s=60):
            turns.append(f"{name} begins")
            time.sleep(seconds)
            turns.append(f"{name} ends")

    threads = [threading.Thread(target=take, args=(name, 0.2)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(turns) == 6
    for begins, ends in zip(turns[::2], turns[1::2], strict=True):
        assert begins.split() == [ends[0], "begins"]


def test_a_folder_that_was_made_for_nothing_goes_and_others_stay(tmp_path):
    for folder, stays in ((tmp_path / "a" / "new", False), (tmp_path, True)):
        with pytest.raises(KeyError), folder_lock(folder, "painting"):
            raise KeyError
        assert folder.is_dir() is stays
    with folder_lock(tmp_path / "new", "painting"):
        (tmp_path / "new" / "picture").touch()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["picture"]


def test_a_folder_that_is_a_file_is_said(tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "in"):
        with pytest.raises(InputError, match="folder to write to"), folder_lock(folder, "x"):
            pytest.fail("a file")


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    def unsupported(self, **kwargs):
        raise NotImplementedError

    monkeypatch.setattr(FileLock, "acquire", unsupported)
    with folder_lock(tmp_path, "painting"):
        pass
