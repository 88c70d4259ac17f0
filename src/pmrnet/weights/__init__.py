"""Weights as a description in JSON beside a `.weights.h5`, checked by its SHA-256.

Neither file can hold code: no pickle, no Lambda, no `load_model`.
"""

from pmrnet.weights.store import available, load_network, save_weights

__all__ = ["available", "load_network", "save_weights"]
