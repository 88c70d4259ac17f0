"""Keras without what it looks for and a command does not need."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from pmrnet.keras_settings import check_keras

#: Keras and TensorFlow try to import these for conveniences that no command uses (wrappers of
#: estimators, data frames, plots); it takes as long as TensorFlow itself.
CONVENIENCES = ("sklearn", "pandas", "matplotlib", "IPython")

_claimed = False


def claim_process() -> None:
    """Say that this process runs one command and nothing else.

    In another's process, Keras has to have its conveniences: it looks for them only once.
    """
    global _claimed
    _claimed = True


def import_keras() -> None:
    """Import Keras, in a process that is claimed in half the time.

    Raises
    ------
    InputError
        If its settings are none that the networks run with.
    """
    if "keras" not in sys.modules:
        check_keras()
    with hidden(*CONVENIENCES) if _claimed else nullcontext():
        import keras  # noqa: F401


@contextmanager
def hidden(*names: str) -> Iterator[None]:
    """Make modules as good as not installed, but for those that are imported already.

    Parameters
    ----------
    names
        Top-level modules.
    """
    absent = [name for name in names if name not in sys.modules]
    # None is what Python itself takes for "there is none": an import raises ModuleNotFoundError.
    sys.modules.update(dict.fromkeys(absent))
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]
