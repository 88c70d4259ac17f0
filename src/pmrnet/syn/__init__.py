"""Symmetric normalisation (SyN) by ANTs, through the package antspyx: a comparator.

Not called `ants`, which is what antspyx is imported as.
"""

from pmrnet.syn.register import SynRegistrar
from pmrnet.syn.settings import SynSettings

__all__ = ["SynRegistrar", "SynSettings"]
