"""The package antspyx, which only the rows of ANTs need."""

from __future__ import annotations

import importlib
from types import ModuleType

from pmrnet.errors import InputError


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
            "`pip install 'pmrnet[ants]'`."
        ) from error
