"""TensorFlow computes with oneDNN wherever the package is imported before it."""

import os
import platform
import subprocess
import sys

import pytest

from pmrnet.tensorflow_kernels import SWITCH, prefer_onednn

CONVOLVE = """
import numpy as np
import pmrnet.nn.pmrnet
from keras import ops
x, kernel = np.ones((1, 8, 9, 10, 4), "float32"), np.ones((3, 3, 3, 4, 8), "float32")
ops.conv(x, kernel, padding="same")
"""


def convolutions_by_onednn(**environment):
    """How many convolutions oneDNN says that it has computed in a process of its own."""
    kept = {key: value for key, value in os.environ.items() if key != SWITCH}
    done = subprocess.run(
        [sys.executable, "-c", CONVOLVE],
        capture_output=True,
        text=True,
        check=True,
        env={**kept, "KERAS_BACKEND": "tensorflow", "ONEDNN_VERBOSE": "1", **environment},
    )
    lines = done.stdout.splitlines()
    return sum("onednn_verbose" in line and ",convolution," in line for line in lines)


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="of TensorFlow for x86 Linux"
)
def test_convolutions_are_those_of_onednn_unless_the_user_says_no():
    assert convolutions_by_onednn() >= 1
    assert convolutions_by_onednn(**{SWITCH: "0"}) == 0


@pytest.mark.parametrize(
    ("machine", "given", "expected"),
    [
        ("x86_64", None, "1"),
        ("AMD64", None, "1"),
        ("x86_64", "0", "0"),
        ("arm64", None, None),
        ("aarch64", None, None),
    ],
)
def test_only_on_x86_and_never_against_the_user(monkeypatch, machine, given, expected):
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.delenv(SWITCH, raising=False)
    if given is not None:
        monkeypatch.setenv(SWITCH, given)
    prefer_onednn()
    assert os.environ.get(SWITCH) == expected
