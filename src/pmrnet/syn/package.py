"""The package antspyx, which only the rows of ANTs need."""

from __future__ import annotations

import importlib
from types import ModuleType

from pmrnet.errors import InputError

#: antspyx 0.6.3 asks for older versions of NumPy and SciPy than are needed, which pip would install
INSTALL = "python -m pip install --no-deps antspyx==0.6.3 statsmodels patsy webcolors"


def import_ants() -> ModuleType:
    """Import antspyx.

    Raises
    ------
    InputError
        If it is not installed, or not whole.
    """
    try:
        return importlib.import_module("ants")
    except ImportError as error:
        raise InputError(
            f"ANTs: expected the package antspyx, found none that can be imported ({error}); run "
            f"`{INSTALL}`, which leaves NumPy and SciPy as they are."
        ) from error
