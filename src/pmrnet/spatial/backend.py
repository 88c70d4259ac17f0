"""How the gather-heavy operations of this package are compiled on each Keras backend.

TensorFlow runs convolutions best outside XLA on a CPU (oneDNN: about 25 times faster) and warps
best inside it (one fused loop in place of dozens of passes over memory). A function marked
`island` is therefore compiled on its own on TensorFlow. JAX compiles the whole program anyway;
there an island is fenced by optimisation barriers, since XLA would otherwise fuse successive
warps into one loop whose work grows eightfold with each of them.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import keras

#: voxels of the largest grid for which XLA does not pay outside of graphs: it takes a tenth of a
#: second for each function and size, and on the coarse levels a call takes milliseconds anyway
SMALL = 10_000


def island(function: Callable) -> Callable:
    """Compile `function` as one XLA program of its own, apart from what surrounds it.

    Parameters
    ----------
    function
        A pure function of tensors, written with `keras.ops`; keyword arguments are static.

    Returns
    -------
    Callable
        The function of the same signature.
    """
    name = keras.backend.backend()
    if name == "tensorflow":
        return _tensorflow_island(function)
    if name == "jax":
        return _jax_island(function)
    return function


def _tensorflow_island(function: Callable) -> Callable:
    import tensorflow as tf

    @functools.cache
    def graph(static: tuple, by_xla: bool) -> Callable:
        bound = functools.partial(function, **dict(static))
        return tf.function(bound, jit_compile=by_xla or None, autograph=False)

    @functools.wraps(function)
    def call(*tensors: object, **static: object) -> object:
        by_xla = not tf.executing_eagerly() or _voxels(tensors, static) > SMALL
        return graph(tuple(sorted(static.items())), by_xla)(*tensors)

    return call


def _voxels(tensors: tuple, static: dict) -> int:
    """Of the largest grid; the tensors' last axis is that of channels."""
    grids = [tensor.shape[:-1] for tensor in keras.tree.flatten(tensors)]
    grids += [value for value in static.values() if isinstance(value, tuple)]
    return max(map(math.prod, grids), default=0)


def _jax_island(function: Callable) -> Callable:
    import jax

    @functools.wraps(function)
    def call(*tensors: object, **static: object) -> object:
        fenced = jax.lax.optimization_barrier(tensors)
        return jax.lax.optimization_barrier(function(*fenced, **static))

    return call
