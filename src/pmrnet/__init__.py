"""PMR-Net: probabilistic multilayer regularization network for brain image registration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pmrnet.tensorflow_kernels import prefer_onednn

__version__ = "0.1.0"
__all__ = ["register"]

if TYPE_CHECKING:
    from pmrnet.registration import register

prefer_onednn()  # here, since any module may be the one that imports TensorFlow


def __getattr__(name: str) -> Any:
    # Only when it is asked for: what it needs takes seconds to import.
    if name == "register":
        from pmrnet.registration import register

        return register
    raise AttributeError(f"module 'pmrnet' has no attribute {name!r}")
