"""Processes of one backend each, for tests that compare TensorFlow and JAX."""

import importlib.util
import os

import pytest

needs_jax = pytest.mark.skipif(
    importlib.util.find_spec("jax") is None,
    reason='JAX is not installed: pip install "pmrnet[jax]"',
)


def environment(backend):
    """Environment of a process that computes on the CPU with a backend of Keras."""
    # Compiling takes most of the time, and nothing in these tests is large.
    jax = {"JAX_PLATFORMS": "cpu", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    return os.environ | {"KERAS_BACKEND": backend, **jax}
