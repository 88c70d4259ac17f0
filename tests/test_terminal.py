"""Only TensorFlow's log lines are dropped from the error stream."""

import subprocess
import sys

SCRIPT = """
import os, sys
from pmrnet.terminal import silence_tensorflow
silence_tensorflow()
os.write(2, b"I0000 00:00:1795430654.379376    2697 port.cc:153] oneDNN is on.\\n")
os.write(2, b"WARNING: All log messages before absl::InitializeLog() is called are written\\n")
os.write(2, b"F0000 00:00:1795430654.379376    2697 port.cc:153] out of memory\\n")
os.write(2, b"Icicle: a line of someone else\\n")
os.system("echo from a child >&2")
print("from Python", file=sys.stderr)
{end}
"""


def _run(end=""):
    code = SCRIPT.replace("{end}", end)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_drops_log_lines_and_nothing_else():
    assert sorted(_run().stderr.splitlines()) == [
        "F0000 00:00:1795430654.379376    2697 port.cc:153] out of memory",
        "Icicle: a line of someone else",
        "from Python",
        "from a child",
    ]


def test_a_traceback_is_shown():
    assert "ZeroDivisionError" in _run("1 / 0").stderr


def test_last_words_of_a_crash_are_shown():
    last = 'os.write(2, b"out of memory\\n"); os.abort()'
    assert "out of memory" in _run(last).stderr


def test_importing_tensorflow_is_silent():
    code = "from pmrnet.terminal import silence_tensorflow as s; s(); import tensorflow"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
