"""Weights of ordinary size for networks that nobody trained."""

import numpy as np


def draw_weights(network, rng):
    """Give all trainable weights values from a generator; signals keep about their size."""
    for weight in network.trainable_weights:
        size = 0.1 if "bias" in weight.path else 0.5 / np.sqrt(np.prod(weight.shape[:-1]))
        weight.assign(rng.normal(0, size, weight.shape))
