"""VoxelMorph 0.2, the authors' own TensorFlow code, made importable beside Keras 3.

It serves as an oracle in the tests and as the other side of the benchmark; nothing else in this
package imports it. Two things stand in its way today. It is written for Keras 2, which lives on as
`tf-keras` and is reached as `tf.keras` only if ``TF_USE_LEGACY_KERAS`` is set when TensorFlow and
its Keras are first touched. And neurite 0.2 calls `inspect.getargspec`, which Python 3.11 removed.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from pmrnet.errors import InputError

COMMAND = 'pip install "voxelmorph==0.2" "neurite==0.2" "tf-keras>=2.20"'


def import_voxelmorph() -> ModuleType:
    """Import voxelmorph 0.2 on `tf-keras`; Keras 3 stays what `import keras` gives.

    Returns
    -------
    module
        The package `voxelmorph`. Its models are Keras 2 models, to be trained and saved as such.

    Raises
    ------
    InputError
        If voxelmorph 0.2, neurite 0.2 or tf-keras is missing, or if `tf.keras` was already in use
        as Keras 3 in this process.
    """
    # Set for good: TensorFlow has several lazy doors to Keras, each reads it when first opened.
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    # Both packages choose their framework by these; 0.2 of each is complete on TensorFlow only.
    os.environ["VXM_BACKEND"] = os.environ["NEURITE_BACKEND"] = "tensorflow"
    try:
        _use_legacy_keras()
        with _argspec(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of syntax and NumPy aliases that are not ours to mend
            voxelmorph = importlib.import_module("voxelmorph")
    except ImportError as error:
        raise InputError(
            f"expected voxelmorph 0.2 with neurite 0.2 and tf-keras, found otherwise ({error}); "
            f"install them: {COMMAND}"
        ) from error
    if voxelmorph.__version__ != "0.2":
        raise InputError(
            f"expected voxelmorph 0.2, found {voxelmorph.__version__}, which is no TensorFlow "
            f"package any more; install it: {COMMAND}"
        )
    return voxelmorph


def _use_legacy_keras() -> None:
    """Open TensorFlow's doors to Keras 2: `tf.keras` and `import tensorflow.keras`."""
    legacy = importlib.import_module("tf_keras")
    tensorflow = importlib.import_module("tensorflow")
    # What TensorFlow does by itself when it is imported with the variable set; here Keras 3 may
    # have imported it long before.
    folder = str(Path(legacy.__file__).parent / "api" / "_v2")
    if folder not in tensorflow.__path__:
        tensorflow.__path__ = [folder, *tensorflow.__path__]
    doors = (tensorflow.keras, importlib.import_module("tensorflow.keras"))
    if any(door.Model is not legacy.Model for door in doors):
        raise InputError(
            "expected tf.keras to be Keras 2 as voxelmorph 0.2 needs it, found Keras 3 already in "
            "use there; set TF_USE_LEGACY_KERAS=1 before Python starts, or call "
            "import_voxelmorph() before anything that uses tf.keras."
        )


@contextmanager
def _argspec() -> Iterator[None]:
    """Lend `inspect` the function that neurite calls while it is imported."""
    if hasattr(inspect, "getargspec") or "neurite" in sys.modules:
        yield
        return
    inspect.getargspec = _getargspec
    try:
        yield
    finally:
        del inspect.getargspec


def _getargspec(function: Callable) -> tuple:
    return tuple(inspect.getfullargspec(function)[:4])
