"""Which of its kernels TensorFlow computes with on a CPU."""

from __future__ import annotations

import os
import platform

#: TensorFlow's own switch; read when it first computes
SWITCH = "TF_ENABLE_ONEDNN_OPTS"

_X86 = ("x86_64", "amd64")


def prefer_onednn() -> None:
    """Have TensorFlow take oneDNN's convolutions on any x86 CPU, unless the user has decided.

    Left to itself it does so only where there is AVX-512; elsewhere the gradients of its own 3D
    convolutions make a training step several times as long. Call before TensorFlow is imported.
    """
    if _is_x86():
        os.environ.setdefault(SWITCH, "1")


def onednn_is_refused() -> bool:
    """Whether the user keeps TensorFlow from oneDNN where `prefer_onednn` would have it."""
    return _is_x86() and os.environ.get(SWITCH, "").strip().lower() in ("0", "false")


def _is_x86() -> bool:
    return platform.machine().lower() in _X86
