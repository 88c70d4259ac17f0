"""Half precision for the weights of large networks, which ship with the package."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from pmrnet.errors import InputError

#: networks of more parameters than this ship in half precision
LARGE = 2_000_000


def halve(source: Path, target: Path) -> None:
    """Copy a Keras weights file with all float32 values as float16, which Keras reads back.

    The relative error is at most 2^-11 (below 6e-5, the absolute one at most 3e-8).

    Parameters
    ----------
    source, target
        ``.weights.h5`` files; `target` is replaced.

    Raises
    ------
    InputError
        If a value is above 65504 and half precision cannot hold it.
    """
    with h5py.File(source, "r") as old, h5py.File(target, "w") as new:
        new.attrs.update(old.attrs)

        def copy(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Group):
                made = new.require_group(name)
            else:
                made = new.create_dataset(name, data=_halved(name, item[...]))
            made.attrs.update(item.attrs)

        old.visititems(copy)


def _halved(name: str, values: np.ndarray) -> np.ndarray:
    if values.dtype != np.float32:
        return values
    if values.size and np.abs(values).max() > np.finfo(np.float16).max:
        raise InputError(
            f"weights, {name}: expected values up to 65504, which half precision can hold, found "
            f"{np.abs(values).max():.3g}; the training has diverged, so train again."
        )
    return values.astype(np.float16)
